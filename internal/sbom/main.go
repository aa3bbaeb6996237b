// Command sbom writes a bill of materials beside each Go program that it is given: NAME.cdx.json in CycloneDX, with every module in the program
// as the program itself says (go version -m), and the Go release. Nothing in it depends on when or where it is written.
package main

import (
	"fmt"
	"os"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

const suffix = ".cdx.json"

func main() {
	written := 0
	for _, name := range os.Args[1:] {
		if strings.HasSuffix(name, suffix) {
			continue
		}
		if err := write(name); err != nil {
			fmt.Fprintf(os.Stderr, "sbom: %s: %v\n", name, err)
			os.Exit(1)
		}
		written++
	}
	if written == 0 {
		fmt.Fprintln(os.Stderr, "sbom: name the programs, such as dist/*")
		os.Exit(2)
	}
	fmt.Printf("%d bills of materials\n", written)
}

// write makes the bill of one program.
func write(program string) error {
	bom, err := read(program)
	if err != nil {
		return err
	}
	f, err := os.Create(program + suffix)
	if err != nil {
		return err
	}
	err = cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
