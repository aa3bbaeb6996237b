package main

import (
	"strings"

	"github.com/spf13/cobra"

	"mqtt-ws-bridge/config"
)

// schemes are what the values of some keys begin with.
var schemes = map[string][]string{
	"listen":        {"ws://", "wss://", "unix:///"},
	"upstream.urls": {"tcp://", "tls://", "unix:///", "ws://", "wss://"},
	"admin.listen":  {"127.0.0.1:9090", "unix:///", "off"},
}

// fileKeys end the names of keys whose values are files.
var fileKeys = []string{".cert", ".key", ".ocsp", ".client-ca", ".ca", ".crl"}

// addCompletions lets a shell complete the values of flags.
func addCompletions(root *cobra.Command) {
	must := func(err error) {
		if err != nil {
			panic(err) // a flag that is not there: a test finds it
		}
	}
	must(root.MarkPersistentFlagFilename(config.FileFlag, "yaml", "yml", "json"))
	for _, key := range config.Keys() {
		if key.Flag == "" {
			continue
		}
		complete := completion(key)
		must(root.RegisterFlagCompletionFunc(key.Flag, complete))
		if key.Flag != key.Name {
			must(root.RegisterFlagCompletionFunc(key.Name, complete))
		}
	}
}

// completion completes the values of a key.
func completion(key config.Key) cobra.CompletionFunc {
	if words := key.Words(); len(words) > 0 {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	if words := schemes[key.Name]; words != nil {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace)
	}
	for _, end := range fileKeys {
		if strings.HasSuffix(key.Name, end) {
			return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
		}
	}
	return cobra.NoFileCompletions
}

// completeKeys completes the names of keys and sections.
func completeKeys(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, section := range config.Sections() {
		if strings.HasPrefix(section.Name, begun) {
			names = append(names, cobra.CompletionWithDesc(section.Name, section.Doc))
		}
	}
	for _, key := range config.Keys() {
		if strings.HasPrefix(key.Name, begun) {
			names = append(names, cobra.CompletionWithDesc(key.Name, key.Doc))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
