package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// reference is a variable in a value of the file: ${NAME}, or ${NAME:-text} with what stands for one that is unset or empty. $${ is ${.
var reference = regexp.MustCompile(`\$?\$\{([^{}]*)\}`)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand puts the values of variables into a text of the file. The names are those that it found; their values may be secret.
func (l *loading) expand(text string) (expanded string, names []string, err error) {
	expanded = reference.ReplaceAllStringFunc(text, func(match string) string {
		if strings.HasPrefix(match, "$$") {
			return match[1:]
		}
		name, instead, hasDefault := strings.Cut(match[2:len(match)-1], ":-")
		if !variableName.MatchString(name) {
			err = errors.Join(err, flawf("write ${NAME} or ${NAME:-TEXT}, and $${ for a plain ${", "%s names no variable", show(match)))
			return ""
		}
		names = append(names, name)
		value := l.variables[name]
		switch {
		case value == "" && !hasDefault:
			err = errors.Join(err, flawf("set the variable, or write ${"+name+":-TEXT}", "the variable %s is not set or empty", name))
		case value == "":
			return instead
		}
		return value
	})
	return expanded, names, err
}

// expandScalar reads a value of the file that may hold variables. What is wrong with one that does is said without its text.
func (l *loading) expandScalar(f func(text string) (any, error), text string) (any, error) {
	expanded, names, err := l.expand(text)
	if err != nil {
		return nil, err
	}
	v, err := f(expanded)
	if err == nil || len(names) == 0 {
		return v, err
	}
	_, fix := words(err)
	return nil, flawf(fix, "%s cannot be used here with the value of %s", show(text), strings.Join(names, " and "))
}

// variablesOf are the variables of an environment; of one that is set twice the last counts.
func variablesOf(environ []string) map[string]string {
	all := make(map[string]string, len(environ))
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok {
			all[name] = cleanEnd(value)
		}
	}
	return all
}

// cleanEnd takes off the end of a line that files from elsewhere leave behind.
func cleanEnd(text string) string { return strings.TrimRight(text, "\r\n") }

const (
	fileSuffix    = "_FILE" // of a variable that names a file with the value
	maxSecretFile = 64 << 10
)

// loadFileVariables reads the values of variables from files, as container engines give secrets: MQTT_WS_BRIDGE_X_FILE names the file of
// MQTT_WS_BRIDGE_X. It returns the values, and refuses those that cannot be had.
func (l *loading) loadFileVariables(byName map[string]*field) map[string]string {
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(l.variables)) {
		key, ok := strings.CutSuffix(name, fileSuffix)
		f := byName[key]
		if !ok || f == nil || byName[name] != nil || l.variables[name] == "" {
			continue
		}
		at := Source{Layer: Environment, Name: name}
		if l.variables[key] != "" {
			l.refuse(f.path, at, flawf("unset one of them", "%s is set as well", key))
			continue
		}
		file := l.variables[name]
		data, err := readFile(file)
		switch {
		case err != nil:
			err = flawf("name a readable file", "%s: %s", redact(file), cause(err))
		case len(data) > maxSecretFile:
			err = flawf("name a file with the value alone", "%s: is larger than %v", redact(file), Size(maxSecretFile))
		case cleanEnd(string(data)) == "":
			err = flawf("write the value into it", "%s: is empty", redact(file))
		}
		if err != nil {
			l.refuse(f.path, at, err)
			continue
		}
		text := cleanEnd(string(data))
		if f.kind == List || f.kind == Map { // one item in a line will do
			text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), ",")
		}
		values[name] = text
	}
	return values
}

// unknownEnv notes a variable of ours that no key has.
func (l *loading) unknownEnv(name string) {
	text, fix := "no key has this variable", "unset it; mqtt-ws-bridge help keys lists every key"
	key := strings.TrimPrefix(name, envPrefix)
	near := Nearest(key, append(keyNames(false), "config"))
	switch f, same := meant(key); {
	case f != nil && f.kind == Records:
		fix = fmt.Sprintf("write %s into the file that --%s or %s names", f.path, FileFlag, envFile)
		text = "a variable cannot hold records"
	case f != nil && f.kind == "":
		fix = sectionFix(f, EnvName)
	case f != nil && same:
		fix = "did you mean " + EnvName(f.path) + "?"
	case near != "":
		fix = "did you mean " + EnvName(near) + "?"
	}
	l.problem(Problem{Source: Source{Layer: Environment, Name: name}, Text: text, Fix: fix})
}

// meant finds the key or section that a word names exactly, by its path or by the short flag of a common key; short says the latter.
func meant(word string) (f *field, short bool) {
	word = plain(word)
	var walk func(fields []field)
	walk = func(fields []field) {
		for i := range fields {
			switch at := &fields[i]; {
			case at.tag.Get("flag") == word && plain(at.path) != word:
				f, short = at, true
			case plain(at.path) == word && !short:
				f = at
			}
			if fields[i].kind == "" {
				walk(fields[i].sub)
			}
		}
	}
	walk(schema)
	return f, short
}

// sectionFix names the keys of a section in the words of a layer.
func sectionFix(section *field, name func(path string) string) string {
	var names []string
	leaves(section.sub, reflect.Value{}, func(f *field, _ reflect.Value) {
		if len(names) < 3 && f.kind != Records {
			names = append(names, name(f.path))
		}
	})
	return "it is a section; its keys are " + strings.Join(names, ", ") + " and so on"
}

// FlagHint says what to do instead where a flag is not there because the word names a section, or a key that only a file can hold; "" if it
// names neither.
func FlagHint(name string) string {
	f, _ := meant(name)
	switch {
	case f == nil:
		return ""
	case f.kind == Records:
		return fmt.Sprintf("a flag cannot hold records; write %s into the file that --%s names", f.path, FileFlag)
	case f.kind == "":
		return sectionFix(f, func(path string) string { return "--" + path })
	}
	return ""
}
