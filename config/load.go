package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Input is where values may come from.
type Input struct {
	Flags   *pflag.FlagSet // parsed, with the flags of [AddFlags]; nil for none
	Environ []string       // as os.Environ returns it
	// Also says what is wrong beyond what this package knows. cfg may have problems already; what is said of a key, or an item of one, that
	// has is left out. nil: nobody is asked.
	Also func(cfg *Config, origins Origins) Problems
	// Anyway returns what could be read together with the problems.
	Anyway bool
}

// Load reads all layers and checks the result, including the files it names. The error is [Problems]. Load keeps nothing
// of its input; cfg and origins are the caller's.
func Load(in Input) (cfg *Config, origins Origins, err error) {
	l := &loading{layers: koanf.New("."), origins: Origins{}, broken: map[string]bool{}, variables: variablesOf(in.Environ)}
	for _, load := range []func() error{
		func() error { return l.layers.Load(structs.Provider(Default(), "koanf"), nil) },
		func() error { return l.loadFile(in) },
		func() error { return l.loadEnv(in.Environ) },
		func() error { return l.loadFlags(in.Flags) },
	} {
		if err := load(); err != nil {
			return nil, nil, fmt.Errorf("load configuration: %w", err)
		}
	}
	cfg = &Config{}
	if err := l.decode(cfg); err != nil {
		return nil, nil, fmt.Errorf("load configuration: %w", err)
	}
	normalise(cfg)
	problems := append(l.problems, check(cfg, l.origins, l.broken)...)
	if in.Also != nil {
		problems = append(problems, slices.DeleteFunc(in.Also(cfg, l.origins), func(p Problem) bool { return l.broken[item(p.Key)] })...)
	}
	if len(problems) > 0 {
		problems.sort()
		if in.Anyway {
			return cfg, l.origins, problems
		}
		return nil, nil, problems
	}
	return cfg, l.origins, nil
}

// loading is the state of one Load. Values enter layers only with their final type; what has none is a problem instead,
// and the key keeps what an earlier layer said.
type loading struct {
	layers    *koanf.Koanf
	origins   Origins
	problems  Problems
	variables map[string]string // of the environment
	broken    map[string]bool   // keys, and items of them such as listen[1], with a problem
}

func (l *loading) problem(p Problem) {
	l.problems = append(l.problems, p)
	key, _, _ := strings.Cut(p.Key, "[")
	l.broken[key], l.broken[item(p.Key)] = true, true
}

// item is a key, or the item of it that a path such as listen[1].name leads into.
func item(path string) string {
	if key, rest, ok := strings.Cut(path, "]"); ok && rest != "" {
		return key + "]"
	}
	return path
}

// refuse notes a value that a key cannot have.
func (l *loading) refuse(key string, at Source, err error) {
	text, fix := words(err)
	l.problem(Problem{Key: key, Source: at, Text: text, Fix: fix})
}

// texts reads one flag or variable for koanf: its key and value, or "" after noting a problem.
func (l *loading) texts(f *field, at Source, texts []string) (string, any) {
	value, err := parseTexts(f, texts)
	if err != nil {
		l.refuse(f.path, at, err)
		return "", nil
	}
	l.origins.set(f.path, at)
	return f.path, value
}

// merging makes a later layer replace lists and maps whole; only sections are merged.
func (l *loading) merging() koanf.Option {
	sections := map[string]bool{}
	for _, name := range keyNames(true) {
		sections[name] = find(name) == nil
	}
	var merge func(src, dest map[string]any, prefix string)
	merge = func(src, dest map[string]any, prefix string) {
		for name, value := range src {
			from, isMap := value.(map[string]any)
			into, wasMap := dest[name].(map[string]any)
			if isMap && wasMap && sections[prefix+name] {
				merge(from, into, prefix+name+".")
				continue
			}
			dest[name] = value
		}
	}
	return koanf.WithMergeFunc(func(src, dest map[string]any) error {
		merge(src, dest, "")
		return nil
	})
}

// decode fills cfg. Being strict costs koanf's own decode hooks, and typed values need none.
func (l *loading) decode(cfg *Config) error {
	return l.layers.UnmarshalWithConf("", cfg, koanf.UnmarshalConf{
		Tag:           "koanf",
		DecoderConfig: &mapstructure.DecoderConfig{ErrorUnused: true},
	})
}

// normalise replaces the word off where it means the same as an empty address or path.
func normalise(cfg *Config) {
	for _, address := range []*string{&cfg.Admin.Listen, &cfg.Embedded.Listen, &cfg.HealthPath} {
		if strings.EqualFold(*address, "off") {
			*address = ""
		}
	}
	leaves(schema, reflect.ValueOf(cfg).Elem(), func(f *field, v reflect.Value) {
		if (f.kind == List || f.kind == Records && f.typ.Kind() == reflect.Slice) && v.IsNil() {
			v.Set(reflect.MakeSlice(f.typ, 0, 0))
		}
		if f.kind == Map && v.IsNil() {
			v.Set(reflect.MakeMap(f.typ))
		}
	})
}
