package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by release builds: -ldflags "-X main.version=v1.2.3".
var version string

// buildVersion names this build: what the linker was told, else the version
// that Go recorded (a tag or a commit), else "dev".
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  withUsage(cobra.NoArgs),
		RunE: func(_ *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(a.stdout, "sessiond %s %s\n", buildVersion(), runtime.Version())
			return err
		},
	}
}
