package test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// pkg is what `go list -json` says about a package of this module.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

const module = "ncloudfs"

// packages lists the packages of the module.
func packages(t *testing.T) []pkg {
	t.Helper()
	list := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var found []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found = append(found, p)
	}
}

// within reports whether path is the package root or below it.
func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func TestLibrariesHaveOneHome(t *testing.T) {
	for _, rule := range []struct {
		library string
		homes   []string // packages that may import it
		tests   []string // packages whose tests may, too
	}{
		{"github.com/urfave/cli", []string{"ncloudfs/config", "ncloudfs"}, nil},
		{"github.com/minio/minio-go", []string{"ncloudfs/remote"}, []string{"ncloudfs/remote", "ncloudfs/remote/emulator"}},
		{"github.com/hashicorp/golang-lru", []string{"ncloudfs/cache"}, nil},
		{"go.etcd.io/bbolt", []string{"ncloudfs/cache"}, nil},
		{"github.com/hanwen/go-fuse", []string{"ncloudfs/fs"}, []string{"ncloudfs/fs", "ncloudfs/test"}},
		{"github.com/prometheus/client_golang", []string{"ncloudfs/fs/control"}, nil},
	} {
		for _, p := range packages(t) {
			for _, i := range p.Imports {
				if within(i, rule.library) && !slices.Contains(rule.homes, p.ImportPath) {
					t.Errorf("%s imports %s, which belongs to %v", p.ImportPath, i, rule.homes)
				}
			}
			for _, i := range slices.Concat(p.TestImports, p.XTestImports) {
				if within(i, rule.library) && !slices.Contains(slices.Concat(rule.homes, rule.tests), p.ImportPath) {
					t.Errorf("the tests of %s import %s, which belongs to %v", p.ImportPath, i, rule.homes)
				}
			}
		}
	}
}

// TestPlanesImportDownwards keeps main → config → fs → cache → remote: a
// package imports only what its line names.
func TestPlanesImportDownwards(t *testing.T) {
	allowed := map[string][]string{
		"ncloudfs":                              {"*"},
		"ncloudfs/config":                       {"ncloudfs/config/daemon", "ncloudfs/fs", "ncloudfs/fs/control", "ncloudfs/cache", "ncloudfs/remote", "ncloudfs/remote/acl", "ncloudfs/remote/bucket"},
		"ncloudfs/config/daemon":                {},
		"ncloudfs/fs":                           {"ncloudfs/cache", "ncloudfs/remote"},
		"ncloudfs/fs/control":                   {"ncloudfs/fs", "ncloudfs/cache", "ncloudfs/remote"},
		"ncloudfs/cache":                        {"ncloudfs/remote"},
		"ncloudfs/remote":                       {},
		"ncloudfs/remote/emulator":              {},
		"ncloudfs/remote/emulator/emulatortest": {"ncloudfs/remote/emulator"},
		"ncloudfs/remote/acl":                   {"ncloudfs/remote"},
		"ncloudfs/remote/bucket":                {"ncloudfs/remote"},
		"ncloudfs/remote/demo":                  {"ncloudfs/remote", "ncloudfs/remote/emulator"},
		"ncloudfs/remote/doctor":                {"ncloudfs/remote"},
		"ncloudfs/scripts/benchmark":            {"ncloudfs/remote", "ncloudfs/remote/emulator"},
		"ncloudfs/test":                         {"ncloudfs/remote", "ncloudfs/remote/emulator", "ncloudfs/remote/emulator/emulatortest"},
	}
	for _, p := range packages(t) {
		may, known := allowed[p.ImportPath]
		if !known {
			t.Errorf("%s has no line in this test: say what it may import", p.ImportPath)
		}
		for _, i := range p.Imports {
			if within(i, module) && !slices.Contains(may, i) && !slices.Contains(may, "*") {
				t.Errorf("%s imports %s: it may import %q of ours", p.ImportPath, i, may)
			}
		}
	}
}

func TestOnlyMainImportsConfig(t *testing.T) {
	for _, p := range packages(t) {
		all := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		if p.ImportPath != "ncloudfs" && p.ImportPath != "ncloudfs/config" && slices.Contains(all, "ncloudfs/config") {
			t.Errorf("%s imports config", p.ImportPath)
		}
	}
}

func TestRootHoldsOnlyWhatTheLayoutNames(t *testing.T) {
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	named := []string{"main.go", "fs", "cache", "remote", "config", "scripts", "test", "go.mod", "go.sum", "README.md"}
	for file := range strings.Lines(string(out)) {
		top, _, _ := strings.Cut(strings.TrimSpace(file), "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(named, top) {
			t.Errorf("%s: the root holds %v and dot files only", top, named)
		}
	}
}
