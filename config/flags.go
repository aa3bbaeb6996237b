package config

import (
	"reflect"

	"github.com/knadh/koanf/providers/posflag"
	"github.com/spf13/pflag"
)

// FileFlag is the flag that names the configuration file.
const FileFlag = "config"

// AddFlags defines --config and one flag per key. A common key has its short flag and, hidden, the one of its full name.
// The flags take any text: [Load] judges the values, so that it can report all of them at once.
func AddFlags(fs *pflag.FlagSet) {
	fs.StringP(FileFlag, "c", "", "YAML file with any key.")
	leaves(schema, reflect.Value{}, func(f *field, _ reflect.Value) {
		if f.kind == Records {
			return
		}
		value := &flagValue{key: f}
		add := func(name string, hidden bool) {
			flag := &pflag.Flag{Name: name, Usage: f.tag.Get("doc"), Value: value, Hidden: hidden}
			if f.kind == Bool {
				flag.NoOptDefVal = "true"
			}
			fs.AddFlag(flag)
		}
		short := f.tag.Get("flag")
		if short != "" && short != f.path {
			add(short, false)
		}
		add(f.path, short != "" && short != f.path)
	})
}

// flagValue keeps the texts given to the flag of one key.
type flagValue struct {
	key   *field
	texts []string
}

// Set adds a text; the last one counts unless the key is a list or map. Items of a list may stand between commas too.
func (v *flagValue) Set(text string) error {
	v.texts = append(v.texts, text)
	return nil
}

// String is empty: what was given may be secret.
func (v *flagValue) String() string { return "" }

// Type names the value in help.
func (v *flagValue) Type() string { return string(v.key.kind) }

// loadFlags reads the flags that were given.
func (l *loading) loadFlags(fs *pflag.FlagSet) error {
	if fs == nil {
		return nil
	}
	return l.layers.Load(posflag.ProviderWithFlag(fs, ".", nil, func(flag *pflag.Flag) (string, any) {
		value, ours := flag.Value.(*flagValue)
		if !ours || !flag.Changed {
			return "", nil
		}
		texts := value.texts
		if value.key.kind == List {
			texts = nil
			for _, text := range value.texts {
				texts = append(texts, splitEnv(value.key, text)...)
			}
		}
		return l.texts(value.key, Source{Layer: Flags, Name: flag.Name}, texts)
	}), nil, l.merging())
}
