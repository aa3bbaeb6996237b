package config

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// parseScalar turns the text of one value into the type of a key or of a list's item. A refused secret is not shown.
func parseScalar(t reflect.Type, text string) (any, error) {
	kind := kindOf(t)
	said := show(text)
	if t == reflect.TypeFor[Secret]() {
		said = "the value"
	}
	if text == "" && kind != Text {
		return nil, flawf("write a "+string(kind), "is empty")
	}
	switch kind {
	case Text:
		return reflect.ValueOf(text).Convert(t).Interface(), nil
	case Bool:
		if v, err := strconv.ParseBool(strings.ToLower(text)); err == nil && len(text) > 3 {
			return v, nil
		}
		return nil, flawf("write true or false", "%s is neither true nor false", said)
	case Number:
		if v, err := strconv.Atoi(text); err == nil {
			return v, nil
		}
		return nil, flawf("write digits only", "%s is not a whole number", said)
	case Duration:
		return parseDuration(text)
	case Bytes:
		if v, err := ParseSize(text); err == nil {
			return v, nil
		}
		return nil, flawf("write bytes as 512B, 64KiB, 16MiB or 1GiB", "%s is not a size", said)
	}
	return nil, flawf("write a "+string(kind), "%s is not a %s", said, kind)
}

func parseDuration(text string) (any, error) {
	if v, err := time.ParseDuration(text); err == nil {
		return v, nil
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil && len(text) < 20 {
		return nil, flawf("write "+text+"s for seconds", "%s has no unit", show(text))
	}
	return nil, flawf("write it as 500ms, 30s, 5m or 1h30m", "%s is not a duration", show(text))
}

// parseTexts turns the texts of a flag or variable into the value of a key: one text for a scalar, any number for a list
// or map. Empty texts are no items.
func parseTexts(f *field, texts []string) (any, error) {
	switch f.kind {
	case List:
		items := []string{}
		for _, text := range texts {
			if text != "" {
				items = append(items, text)
			}
		}
		return items, nil
	case Map:
		return parsePairs(f, texts)
	}
	return parseScalar(f.typ, texts[len(texts)-1])
}

func parsePairs(f *field, texts []string) (any, error) {
	pairs := map[string]any{}
	for i, text := range texts {
		if text == "" {
			continue
		}
		name, value, ok := strings.Cut(text, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return nil, flawf("write NAME=VALUE; a value with a comma can stand in a flag or the file", "item %d has no name and =", i+1)
		}
		if _, twice := pairs[name]; twice {
			return nil, flawf("name it once", "%s is given twice", show(name))
		}
		v, err := parseScalar(f.typ.Elem(), strings.TrimSpace(value))
		if err != nil {
			return nil, err
		}
		pairs[name] = v
	}
	return pairs, nil
}
