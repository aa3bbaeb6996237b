package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// read makes the bill of a program from what the Go linker left in it.
func read(program string) (*cdx.BOM, error) {
	f, err := os.Open(program)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := buildinfo.Read(f)
	if err != nil {
		return nil, err
	}
	if len(info.Deps) == 0 {
		return nil, errors.New("it says nothing of modules")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return nil, err
	}
	return bill(info, sum.Sum(nil)), nil
}

// bill puts together what the program is, its modules, and the Go release as the module std, under which its vulnerabilities are known.
func bill(info *debug.BuildInfo, sum []byte) *cdx.BOM {
	main := cdx.Component{
		Type: cdx.ComponentTypeApplication, Name: path.Base(info.Path), Version: info.Main.Version,
		Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}},
		Properties: settings(info.Settings),
	}
	main.BOMRef, main.PackageURL = info.Path, purl(info.Main.Path, info.Main.Version)
	modules := []cdx.Component{module("std", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		modules = append(modules, module(m.Path, m.Version, m.Sum))
	}
	refs := make([]string, len(modules))
	for i := range modules {
		refs[i] = modules[i].BOMRef
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = serial(sum)
	bom.Metadata = &cdx.Metadata{Component: &main}
	bom.Components = &modules
	bom.Dependencies = &[]cdx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	return bom
}

func module(name, version, sum string) cdx.Component {
	c := cdx.Component{Type: cdx.ComponentTypeLibrary, Name: name, Version: version, PackageURL: purl(name, version)}
	c.BOMRef = c.PackageURL
	if sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: sum}}
	}
	return c
}

// purl is a package URL of type golang.
func purl(module, version string) string {
	url := "pkg:golang/" + module
	if version != "" && version != "(devel)" {
		url += "@" + strings.ReplaceAll(version, "+", "%2B")
	}
	return url
}

// settings are those of the build: system, processor, commit.
func settings(from []debug.BuildSetting) *[]cdx.Property {
	properties := make([]cdx.Property, 0, len(from))
	for _, s := range from {
		properties = append(properties, cdx.Property{Name: "go:build:" + s.Key, Value: s.Value})
	}
	return &properties
}

// serial is a UUID, version 8, made of the program's hash: the same program has the same bill.
func serial(sum []byte) string {
	id := [16]byte(sum)
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
