package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// maxFile bounds what is read of a configuration file.
const maxFile = 1 << 20

// loadFile reads the file named by --config or, without that flag, by MQTT_WS_BRIDGE_CONFIG.
func (l *loading) loadFile(in Input) error {
	name, named := fileName(in.Flags, in.Environ)
	if name == "" {
		return nil
	}
	data, err := readFile(name)
	if err != nil {
		l.refuse("", named, flawf("name a readable YAML file", "%s: %s", redact(name), cause(err)))
		return nil
	}
	return l.layers.Load(rawbytes.Provider(data), &yamlFile{loading: l, name: name}, l.merging())
}

func fileName(flags *pflag.FlagSet, environ []string) (string, Source) {
	if flags != nil {
		if flag := flags.Lookup(FileFlag); flag != nil && flag.Value.String() != "" {
			return flag.Value.String(), Source{Layer: Flags, Name: FileFlag}
		}
	}
	name := ""
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, envFile+"="); ok {
			name = value
		}
	}
	return name, Source{Layer: Environment, Name: envFile}
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("is larger than " + Size(maxFile).String())
	}
	return data, err
}

// cause is what the system said about a file, without repeating its name.
func cause(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}

// yamlFile is a koanf.Parser that knows the keys: it checks names and types while the lines are still known.
type yamlFile struct {
	*loading
	name string
}

// Marshal is the half of koanf.Parser that nothing here uses.
func (*yamlFile) Marshal(map[string]any) ([]byte, error) { return nil, errors.ErrUnsupported }

// Unmarshal returns the good values of the file and notes problems about the others. It returns no error.
func (y *yamlFile) Unmarshal(data []byte) (map[string]any, error) {
	var doc, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	err := decoder.Decode(&doc)
	if err != nil && !errors.Is(err, io.EOF) {
		y.syntax(data, err)
		return nil, nil
	}
	top := resolve(&doc)
	if err != nil || len(doc.Content) == 0 || top.Tag == "!!null" {
		y.refuse("", y.at(1), flawf("write at least one key, or name no file", "holds no keys"))
		return nil, nil
	}
	if top.Kind != yaml.MappingNode {
		y.refuse("", y.at(top.Line), flawf("write KEY: VALUE lines", "is %s, not a map of keys", nodeWords(top)))
		return nil, nil
	}
	values := y.section(top, schema, "")
	switch err := decoder.Decode(&second); {
	case err == nil:
		y.refuse("", y.at(second.Line), flawf("keep one and remove the ---", "a second document begins"))
	case !errors.Is(err, io.EOF):
		y.syntax(data, err)
	}
	return values, nil
}

func (y *yamlFile) at(line int) Source { return Source{Layer: File, Name: y.name, Line: line} }

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax notes what the YAML parser said. Tabs are so frequent, and so badly reported, that they are looked for first.
func (y *yamlFile) syntax(data []byte, err error) {
	for i, line := range strings.Split(string(data), "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if strings.Contains(indent, "\t") && strings.TrimSpace(line) != "" {
			y.refuse("", y.at(i+1), flawf("indent with spaces", "the line begins with a tab"))
			return
		}
	}
	text, line := err.Error(), 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		line, _ = strconv.Atoi(m[1])
	}
	if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok { // not repeated: it may be a secret that begins with *
		name, _, _ = strings.Cut(name, "'")
		before, _, _ := strings.Cut(string(data), "*"+name)
		y.refuse("", y.at(strings.Count(before, "\n")+1), flawf("quote a value that begins with *", "an anchor is used that nothing defines"))
		return
	}
	if strings.HasPrefix(text, "did not find expected") { // the library counts these lines from 0
		line++
	}
	y.refuse("", y.at(line), flawf("see the line and the one before it", "is not YAML: %s", text))
}

// section returns the values of one map of keys.
func (y *yamlFile) section(node *yaml.Node, fields []field, prefix string) map[string]any {
	values, lines := map[string]any{}, map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], resolve(node.Content[i+1])
		path := prefix + key.Value
		if key.Kind != yaml.ScalarNode {
			y.refuse("", y.at(key.Line), flawf("write KEY: VALUE", "a key is %s", nodeWords(resolve(key))))
			continue
		}
		if first, twice := lines[key.Value]; twice {
			y.refuse(path, y.at(key.Line), flawf("keep one of them", "is already set on line %d", first))
			continue
		}
		lines[key.Value] = key.Line
		f := named(fields, key.Value)
		if f == nil {
			y.unknown(path, key, fields, prefix)
			continue
		}
		if f.kind != "" {
			y.origins.set(path, y.at(key.Line))
		}
		if v, ok := y.value(value, f, path, key.Line); ok {
			values[key.Value] = v
		}
	}
	return values
}

func named(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func (y *yamlFile) unknown(path string, key *yaml.Node, fields []field, prefix string) {
	if key.Tag == "!!merge" {
		y.refuse(path, y.at(key.Line), flawf("write the keys out", "merging maps is not supported"))
		return
	}
	words := keyNames(true)
	if len(fields) > 0 && prefix+fields[0].name != fields[0].path {
		words = nil // inside a record, only its own fields can be meant
		for _, f := range fields {
			words = append(words, f.name)
		}
		path = key.Value
	}
	fix := "remove it; mqtt-ws-bridge config --example lists every key"
	near := Nearest(path, words)
	switch {
	case near != "" && strings.Contains(key.Value, "."):
		fix = "write each level on a line of its own: " + levels(strings.TrimPrefix(near, prefix))
	case near != "":
		fix = "did you mean " + near + "?"
	}
	y.refuse(redact(prefix+key.Value), y.at(key.Line), flaw{text: "no such key", fix: fix})
}

// levels is how a key with dots stands in a file.
func levels(key string) string {
	parts := strings.Split(key, ".")
	return strings.Join(parts[:len(parts)-1], ": {") + ": {" + parts[len(parts)-1] + ": VALUE" + strings.Repeat("}", len(parts)-1)
}

// value reads one value; false means that a problem was noted, or that a section is empty.
func (y *yamlFile) value(node *yaml.Node, f *field, path string, line int) (any, bool) {
	at := y.at(max(node.Line, line))
	null := node.Kind == yaml.ScalarNode && node.Tag == "!!null"
	switch {
	case f.kind == "" && null: // all of its keys are commented out
		return nil, false
	case null:
		y.refuse(path, y.at(line), flawf("write a value or remove the line", "has no value"))
		return nil, false
	case f.kind == "" && node.Kind == yaml.MappingNode:
		return y.section(node, f.sub, path+"."), true
	case f.kind == "" || f.kind == Map || f.kind == Records && f.typ.Kind() == reflect.Map:
		if node.Kind != yaml.MappingNode {
			fix := "write its keys indented below it"
			if common := commonOf(f); common != nil && node.Kind == yaml.ScalarNode {
				fix = "write " + f.name + ": {" + common.name + ": " + written(node.Value, common) + "}"
			}
			if f.kind == Map {
				fix = "write NAME: VALUE lines below it"
			}
			y.refuse(path, at, flawf(fix, "is %s, not a map", nodeWords(node)))
			return nil, false
		}
		return y.entries(node, f, path)
	case f.kind == List || f.kind == Records:
		if node.Kind != yaml.SequenceNode {
			fix := "write - VALUE lines below it"
			if node.Kind == yaml.ScalarNode && f.kind == List {
				fix = fmt.Sprintf("write %s: [%s]", f.name, showItems(node.Value))
			}
			y.refuse(path, at, flawf(fix, "is %s, not a list", nodeWords(node)))
			return nil, false
		}
		return y.items(node, f, path)
	}
	return y.scalar(node, f.typ, path, at)
}

func (y *yamlFile) scalar(node *yaml.Node, t reflect.Type, path string, at Source) (any, bool) {
	if node.Kind != yaml.ScalarNode {
		y.refuse(path, at, flawf("write one "+string(kindOf(t)), "is %s, not a single value", nodeWords(node)))
		return nil, false
	}
	v, err := y.expandScalar(func(text string) (any, error) { return parseScalar(t, text) }, node.Value)
	if err != nil {
		y.refuse(path, at, err)
		return nil, false
	}
	return v, true
}

// items reads a list. Of a list with a problem nothing is kept.
func (y *yamlFile) items(node *yaml.Node, f *field, path string) (any, bool) {
	texts, records, good := []string{}, []any{}, true
	for i, item := range node.Content {
		item = resolve(item)
		place := fmt.Sprintf("%s[%d]", path, i)
		y.origins[place] = y.at(item.Line)
		key := path
		if f.kind == Records {
			key = place
		}
		v, ok := y.element(item, f, key)
		good = good && ok
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		default:
			records = append(records, v)
		}
	}
	if f.kind == List {
		return texts, good
	}
	return records, good
}

// entries reads a map with names of the operator's choice.
func (y *yamlFile) entries(node *yaml.Node, f *field, path string) (any, bool) {
	values, good := map[string]any{}, true
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, item := node.Content[i], resolve(node.Content[i+1])
		if _, twice := values[key.Value]; twice || key.Kind != yaml.ScalarNode {
			y.refuse(path, y.at(key.Line), flawf("name it once", "%s is not a name or is given twice", show(key.Value)))
			good = false
			continue
		}
		place := path + "." + key.Value
		y.origins[place] = y.at(key.Line)
		v, ok := y.element(item, f, place)
		good = good && ok
		values[key.Value] = v
	}
	return values, good
}

func (y *yamlFile) element(node *yaml.Node, f *field, place string) (any, bool) {
	if f.kind != Records {
		return y.scalar(node, f.typ.Elem(), place, y.at(node.Line))
	}
	if node.Kind != yaml.MappingNode {
		y.refuse(place, y.at(node.Line), flawf("write its keys", "is %s, not a map", nodeWords(node)))
		return nil, false
	}
	return y.section(node, f.sub, place+"."), true
}

// resolve follows the document to its content and an alias to its anchor.
func resolve(node *yaml.Node) *yaml.Node {
	for {
		switch {
		case node.Kind == yaml.DocumentNode && len(node.Content) == 1:
			node = node.Content[0]
		case node.Kind == yaml.AliasNode && node.Alias != nil:
			node = node.Alias
		default:
			return node
		}
	}
}

// commonOf returns the key that the section's own name stands for as a flag, nil if there is none.
func commonOf(section *field) *field {
	for i := range section.sub {
		if f := &section.sub[i]; f.tag.Get("flag") == section.path {
			return f
		}
	}
	return nil
}

// written is a text as the value of a key in a file.
func written(text string, f *field) string {
	if f.kind == List {
		return "[" + showItems(text) + "]"
	}
	return show(text)
}

// showItems is a text as the list that it was probably meant to be.
func showItems(text string) string {
	items := strings.Split(text, ",")
	for i := range items {
		items[i] = show(strings.TrimSpace(items[i]))
	}
	return strings.Join(items, ", ")
}

func nodeWords(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return "a single value"
	}
	return "something else"
}
