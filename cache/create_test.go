package cache

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

func TestStoreIsOnePut(t *testing.T) {
	m := mount(t, Options{})
	m.checkKind("d/link", Absent)
	m.server.ResetCounts()
	if err := m.Store(t.Context(), "d/link", []byte("target"), Attr{Mode: 0o120777, HasMode: true}); err != nil {
		t.Fatal(err)
	}
	e := m.stat("d/link")
	if e.Kind != File || e.Attr.Mode != 0o120777 || e.Object.Size != 6 {
		t.Errorf("got %+v", e)
	}
	if body, err := m.ReadAll(t.Context(), e); err != nil || string(body) != "target" {
		t.Errorf("got %q, %v", body, err)
	}
	m.checkRequests("store, stat and read", counts{emulator.OpPutObject: 1})
	if o := m.head("d/link"); o.Meta["mode"] != "41471" {
		t.Errorf("got %+v", o)
	}
}

func TestReadAllRefusesWhatIsNoLink(t *testing.T) {
	m := mount(t, Options{})
	o := m.put("a", make([]byte, maxLink+1))
	if _, err := m.ReadAll(t.Context(), Entry{Kind: File, Object: o}); !errors.Is(err, remote.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestNamesThatCannotBecomeKeysAreRefused(t *testing.T) {
	m := mount(t, Options{Prefix: "p/"})
	longest := strings.Repeat("n", remote.MaxKeyLength-len("p/"))
	for name, c := range map[string]struct {
		name Name
		want error
	}{
		"longest":   {Name(longest), nil},
		"too long":  {Name(longest + "n"), ErrNameTooLong},
		"not UTF-8": {"a\xff", ErrBadName},
	} {
		if err := m.CheckName(c.name); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if c.want == nil {
			continue
		}
		_, renameErr := m.Rename(t.Context(), "a", c.name)
		_, renameDirErr := m.RenameDir(t.Context(), "a", c.name)
		for op, err := range map[string]error{
			"mkdir": m.Mkdir(t.Context(), c.name, Attr{}), "store": m.Store(t.Context(), c.name, nil, Attr{}),
			"rename": renameErr, "rename directory": renameDirErr,
		} {
			if !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v, want %v", op, name, err, c.want)
			}
		}
	}
	if _, err := m.RenameDir(t.Context(), "a", Name(longest)); !errors.Is(err, ErrNameTooLong) {
		t.Errorf("rename directory, with its slash too long: %v", err)
	}
	if err := m.Mkdir(t.Context(), Name(longest), Attr{}); !errors.Is(err, ErrNameTooLong) {
		t.Errorf("mkdir, with its slash too long: %v", err)
	}
	m.checkRequests("all of it", counts{})
}

func TestPrefixIsAllThereIs(t *testing.T) {
	m := mount(t, Options{Prefix: "p/"})
	m.put("p/a", []byte("in"))
	m.put("b", []byte("out"))
	m.checkKind("a", File)
	m.checkKind("b", Absent)
	m.create("c", []byte("new"))
	m.checkObject("p/c", []byte("new"))
	m.rename("c", "d")
	m.checkObject("p/d", []byte("new"))
	m.setAttr("", setMode(0o40700))
	noError(t, m.Sync(t.Context()))
	m.checkObject("p/", []byte{})
	m.remove("d")
	m.checkObject("p/d", nil)
	all, err := m.ReadDir(t.Context(), "")
	if err != nil || len(all) != 1 || all[0].Base != "a" {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestReadOnlyMountStagesNothing(t *testing.T) {
	dir := t.TempDir() + "/never"
	m := mount(t, Options{ReadOnly: true, StageDir: dir})
	m.put("a", []byte("x"))
	m.checkKind("a", File)
	if _, err := m.OpenStaged("a", StageOptions{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("got %v, want ErrReadOnly", err)
	}
	if err := m.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the stage directory: %v", err)
	}
}

func TestGuessedTypes(t *testing.T) {
	for key, want := range map[string]string{
		"a.html": "text/html; charset=utf-8", "d/b.png": "image/png", "none": defaultType, "x.nosuchext": defaultType, "d.png/none": defaultType,
	} {
		if got := typeByName(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}
