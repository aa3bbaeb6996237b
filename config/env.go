package config

import (
	"reflect"
	"regexp"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
)

// envPrefix starts every variable that is ours.
const envPrefix = "MQTT_WS_BRIDGE_"

// envFile names the file, and is the only variable that is not a key.
const envFile = envPrefix + "CONFIG"

// EnvName returns the variable that sets a key: upper case, dots and dashes as underscores.
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// serviceLink matches what Kubernetes sets in every container beside a Service that is named after the bridge.
var serviceLink = regexp.MustCompile(`(^|_)(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)=|(^|_)PORT=(tcp|udp|sctp)://`)

// loadEnv reads the variables. An empty variable counts as absent, because compose files and service managers pass on
// unset ones as empty.
func (l *loading) loadEnv(environ []string) error {
	byName := map[string]*field{}
	leaves(schema, reflect.Value{}, func(f *field, _ reflect.Value) {
		if f.kind != Records {
			byName[EnvName(f.path)] = f
		}
	})
	fromFiles := l.loadFileVariables(byName)
	return l.layers.Load(env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, text string) (string, any) {
			f, text := byName[name], cleanEnd(text)
			if key, ok := strings.CutSuffix(name, fileSuffix); ok && f == nil && byName[key] != nil {
				f, text = byName[key], fromFiles[name] // "": refused
			}
			switch {
			case f != nil && text != "":
				return l.texts(f, Source{Layer: Environment, Name: name}, splitEnv(f, text))
			case f == nil && name != envFile && !serviceLink.MatchString(strings.TrimPrefix(name, envPrefix)+"="+text):
				l.unknownEnv(name)
			}
			return "", nil
		},
	}), nil, l.merging())
}

func splitEnv(f *field, text string) []string {
	if f.kind != List && f.kind != Map {
		return []string{text}
	}
	items := strings.Split(text, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}
