package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessiond/sessiond/config"
)

// composeService is what matters here of a service.
type composeService struct {
	Environment     map[string]string
	Ports           []string
	Volumes         []string
	Entrypoint      []string
	ReadOnly        bool          `yaml:"read_only"`
	CapDrop         []string      `yaml:"cap_drop"`
	StopGracePeriod time.Duration `yaml:"stop_grace_period"`
}

func composeServices(t *testing.T) map[string]composeService {
	t.Helper()
	var file struct {
		Services map[string]composeService
	}
	readYAML(t, "../docker-compose.yml", &file)
	return file.Services
}

// Of all services the network sees nginx alone: what it says of its clients is
// believed, and metrics are nobody's business.
func TestComposePublishesNginxAlone(t *testing.T) {
	t.Parallel()
	for name, service := range composeServices(t) {
		for _, port := range service.Ports {
			if name != "nginx" && !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %q", name, port)
			}
		}
	}
}

// The services fit sessiond's settings, and several replicas beside each other.
func TestComposeSettings(t *testing.T) {
	t.Parallel()
	service := composeServices(t)["sessiond"]
	var environ []string
	for name, value := range service.Environment {
		environ = append(environ, name+"="+value)
	}
	c, err := config.Load("", environ)
	if err != nil {
		t.Fatal(err)
	}
	if need := c.HTTP.DrainDelay + c.HTTP.ShutdownTimeout; service.StopGracePeriod <= need {
		t.Errorf("stop_grace_period: %v, sessiond may take %v", service.StopGracePeriod, need)
	}
	if len(c.HTTP.TrustedProxies) == 0 {
		t.Error("nginx is not believed: all clients are one")
	}
	for _, port := range service.Ports {
		if !strings.HasPrefix(port, "127.0.0.1::") {
			t.Errorf("port %q is one that only one replica can have", port)
		}
	}
	upstream := readText(t, "nginx/upstream.conf")
	if server := "server sessiond" + c.HTTP.Address + " resolve "; !strings.Contains(upstream, server) {
		t.Errorf("nginx/upstream.conf has no %q", server)
	}
}

// nginx finds its files where it looks for them.
func TestComposeNginx(t *testing.T) {
	t.Parallel()
	service := composeServices(t)["nginx"]
	if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) {
		t.Errorf("nginx may do more than it needs: %+v", service)
	}
	i := slices.Index(service.Entrypoint, "-c")
	if i < 0 {
		t.Fatalf("entrypoint %q", service.Entrypoint)
	}
	configuration := service.Entrypoint[i+1]
	mounted := make(map[string]string)
	for _, volume := range service.Volumes {
		parts := strings.Split(volume, ":")
		if len(parts) != 3 || parts[2] != "ro" {
			t.Errorf("volume %q", volume)
			continue
		}
		mounted[parts[1]] = filepath.Join("..", parts[0])
	}
	text := readText(t, mounted[configuration])
	for _, include := range regexp.MustCompile(`(?m)^\s*include (\S+);`).FindAllStringSubmatch(text, -1) {
		path := filepath.Join(filepath.Dir(configuration), include[1])
		readText(t, filepath.Join(mounted[filepath.Dir(path)], filepath.Base(path)))
	}
	_, port, _ := strings.Cut(service.Ports[0], ":")
	if !strings.Contains(readText(t, "nginx/listen.conf"), "\nlisten "+port+";") {
		t.Errorf("nginx does not listen on %s", port)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
