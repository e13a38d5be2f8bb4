package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/viper"
)

// Load reads the settings: defaults, overridden by the file (none where file is
// ""; YAML, JSON or TOML by its extension), overridden by the SESSIOND_…
// variables among environ, which has the form of [os.Environ].
//
// Its error joins every fault there is, so that one attempt shows them all.
// Each names the setting as its user wrote it, as a key of the file or as a
// variable, and says what is wrong and what would be accepted. No fault repeats
// the value of a secret.
func Load(file string, environ []string) (Config, error) {
	return LoadWithDefaults(nil, file, environ)
}

// LoadWithDefaults is [Load] for a command that has its own defaults for some
// settings, by key.
func LoadWithDefaults(defaults map[string]string, file string, environ []string) (Config, error) {
	l := loader{values: viper.New(), written: make(map[string]string)}
	for _, s := range settings {
		l.written[s.Key] = s.Key
		value, ok := defaults[s.Key]
		if !ok {
			value = s.Default
		}
		if value != "" {
			l.values.SetDefault(s.Key, value)
		}
	}
	if file != "" {
		l.readFile(file)
	}
	l.readEnviron(environ)
	c := l.decode()
	if len(l.faults) > 0 {
		return Config{}, errors.Join(l.faults...)
	}
	return c, nil
}

// loader gathers values and faults.
type loader struct {
	// values layers the sources; it holds them as they were written.
	values *viper.Viper
	// written is each setting's name where its value in force was given.
	written map[string]string
	faults  []error
}

func (l *loader) fault(name string, err error) {
	l.faults = append(l.faults, fmt.Errorf("%s: %w", name, err))
}

// readFile adds the settings of a file.
func (l *loader) readFile(file string) {
	entries, err := readFile(file)
	if err != nil {
		l.fault("settings file "+file, err)
		return
	}
	known := names(func(s Setting) string { return s.Key })
	first := make(map[string]string)
	for _, e := range entries {
		// As in viper, upper and lower case are the same in a key.
		key, name := strings.ToLower(e.path), file+": "+e.path
		if isSection(key) {
			l.fault(name, errors.New("is a section; want its settings below it"))
			continue
		}
		if !slices.Contains(known, key) {
			l.unknown(name, key, known)
			continue
		}
		if earlier, twice := first[key]; twice {
			l.fault(name, fmt.Errorf("is there twice, the other time as %s; want it once", earlier))
			continue
		}
		first[key] = e.path
		l.written[key] = name
		l.set(key, e.value)
	}
}

// readEnviron adds the settings of the environment.
func (l *loader) readEnviron(environ []string) {
	given := make(map[string]string)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variablePrefix) && !fromKubernetes(name, value) {
			given[name] = value
		}
	}
	for _, s := range settings {
		value, ok := given[s.Variable]
		if !ok {
			continue
		}
		delete(given, s.Variable)
		l.written[s.Key] = s.Variable
		l.set(s.Key, value)
	}
	known := names(func(s Setting) string { return s.Variable })
	for _, name := range slices.Sorted(maps.Keys(given)) {
		l.unknown(name, name, known)
	}
}

// set overrides a setting. Nothing written behind a key (nil) is the same as
// empty text, where viper would fall back to the default.
func (l *loader) set(key string, value any) {
	if value == nil {
		value = ""
	}
	l.values.Set(key, value)
}

func (l *loader) unknown(name, key string, known []string) {
	if n := nearest(key, known); n != "" {
		l.fault(name, fmt.Errorf("is no setting; did you mean %s?", n))
		return
	}
	l.fault(name, errors.New("is no setting; sessiond serve --help lists them all"))
}

// Kubernetes tells every container of a namespace about every Service in it, so
// a Service named sessiond, or sessiond-redis, puts variables among ours that
// nobody wrote: …_SERVICE_HOST, …_SERVICE_PORT[_name], …_PORT=tcp://10.0.0.1:80
// and …_PORT_80_TCP[_ADDR|_PORT|_PROTO]. Refusing those would keep sessiond from
// starting exactly where it is deployed in the usual way. …_PORT with anything
// but a URL was written by a person.
var (
	kubernetesName = regexp.MustCompile(`^SESSIOND_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)$`)
	kubernetesURL  = regexp.MustCompile(`^SESSIOND_(\w+_)?PORT$`)
)

func fromKubernetes(name, value string) bool {
	return kubernetesName.MatchString(name) || (kubernetesURL.MatchString(name) && strings.Contains(value, "://"))
}

// decode checks each value in force and then the rules that span several.
func (l *loader) decode() Config {
	var c Config
	failed := make(map[string]bool)
	for _, s := range settings {
		raw := l.values.Get(s.Key)
		if raw == nil {
			continue // No default and not given: the zero value means none.
		}
		if err := s.apply(&c, raw); err != nil {
			failed[s.Key] = true
			l.fault(l.written[s.Key], err)
		}
	}
	for _, r := range rules {
		// A rule about a value that could not be read would only repeat its
		// fault in other words.
		if !failed[r.about] && !failed[r.involves] && r.broken(c) {
			l.fault(l.written[r.about], errors.New(r.reason))
		}
	}
	return c
}
