package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// versionNumber is the version of what was built, as far as that is known. info is nil for a binary without build information.
func versionNumber(info *debug.BuildInfo) string {
	if info == nil || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// buildInfo is that of this program, nil if it has none.
func buildInfo() *debug.BuildInfo {
	info, _ := debug.ReadBuildInfo()
	return info
}

// programVersion is that of this program.
func programVersion() string {
	info, _ := debug.ReadBuildInfo()
	return version(info)
}

// version says in one line what was built. info is nil for a binary without build information.
func version(info *debug.BuildInfo) string {
	number, tool := versionNumber(info), runtime.Version()
	var source []string
	if info != nil {
		tool = info.GoVersion
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if revision := settings["vcs.revision"]; revision != "" {
			source = append(source, "commit "+revision)
		}
		if at := settings["vcs.time"]; at != "" {
			source = append(source, "of "+at)
		}
		if settings["vcs.modified"] == "true" {
			source = append(source, "modified")
		}
	}
	if len(source) > 0 {
		number += " (" + strings.Join(source, ", ") + ")"
	}
	return fmt.Sprintf("mqtt-ws-bridge %s %s %s/%s", number, tool, runtime.GOOS, runtime.GOARCH)
}
