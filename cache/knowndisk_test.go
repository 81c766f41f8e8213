package cache

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// onKnownDisk is a directory of remembered attributes, and what was logged.
type onKnownDisk struct {
	t    testing.TB
	dir  string
	boot string
	log  bytes.Buffer
}

func (k *onKnownDisk) path() string { return filepath.Join(k.dir, knownFile) }

// open opens it as a mount does; nil: it does without.
func (k *onKnownDisk) open() *knownDisk {
	k.t.Helper()
	root, err := os.OpenRoot(k.dir)
	if err != nil {
		k.t.Fatal(err)
	}
	d := openKnownDisk(root, k.boot, slog.New(slog.NewTextHandler(&k.log, nil)))
	k.t.Cleanup(d.Close)
	return d
}

// filled is one that earlier mounts have left, with the names 0 to n-1.
func filled(t testing.TB, n int) *onKnownDisk {
	k := &onKnownDisk{t: t, dir: t.TempDir(), boot: "boot"}
	d := k.open()
	for i := range n {
		d.put(fmt.Sprintf("key%05d", i), valueOf(i))
	}
	d.Close()
	if k.log.Len() > 0 {
		t.Fatal(k.log.String())
	}
	return k
}

func valueOf(i int) *knownObject {
	now := time.Now()
	return &knownObject{etag: "etag", size: int64(i), modified: now, asked: now, doubtful: i%2 == 0,
		meta: remote.Meta{"mode": fmt.Sprint(i), "한글": "\xff\x00"}, contentType: "text/plain"}
}

// has returns how many of the names 0 to n-1 are known, as they were put.
func (k *onKnownDisk) has(d *knownDisk, n int) int {
	k.t.Helper()
	count := 0
	for i := range n {
		h, ok := d.get(fmt.Sprintf("key%05d", i))
		if !ok {
			continue
		}
		count++
		if want := valueOf(i); h.meta["mode"] != want.meta["mode"] || h.meta["한글"] != "\xff\x00" || h.size != want.size ||
			h.contentType != want.contentType || h.doubtful != want.doubtful || h.approximate || time.Since(h.asked) > time.Hour {
			k.t.Fatalf("name %d: got %+v", i, h)
		}
	}
	return count
}

func (k *onKnownDisk) checkLogged(what string, times int) {
	k.t.Helper()
	if got := strings.Count(k.log.String(), what); got != times {
		k.t.Errorf("logged %d times, want %d, %q:\n%s", got, times, what, k.log.String())
	}
}

func TestAttributesOnDiskAreKnownToTheNextMount(t *testing.T) {
	const names = 3 * knownBatch / 2
	k := filled(t, names)
	d := k.open()
	if got := k.has(d, names); got != names {
		t.Errorf("%d of %d names are known", got, names)
	}
	d.put("key00007", nil)
	d.forgetTree("key0001")
	d.put("key00012", valueOf(12))
	check := func(when string, d *knownDisk) {
		t.Helper()
		if got, want := k.has(d, names), names-10; got != want {
			t.Errorf("%s: %d are known, want %d", when, got, want)
		}
	}
	check("while it waits", d)
	d.flush()
	check("when it is written", d)
	d.Close()
	d.put("late", valueOf(1))
	check("by the next mount", k.open())
}

func TestAttributesBetweenOthersAreFound(t *testing.T) {
	k := filled(t, 3)
	d := k.open()
	check := func(want ...bool) {
		t.Helper()
		for i, key := range []string{"a", "key00001", "key00001a", "key00001b", "z"} {
			if _, ok := d.get(key); ok != want[i] {
				t.Errorf("%s is known: %v", key, ok)
			}
		}
	}
	check(false, true, false, false, false)
	check(false, true, false, false, false)
	for _, key := range []string{"key00001b", "a", "z"} {
		d.put(key, valueOf(1))
	}
	check(true, true, false, true, true)
	d.flush()
	check(true, true, false, true, true)
}

func TestAttributesOnDiskAreBounded(t *testing.T) {
	k := &onKnownDisk{t: t, dir: t.TempDir(), boot: "boot"}
	d := k.open()
	bound := func(most used) {
		d.flushing.Lock() // it is written behind, too
		defer d.flushing.Unlock()
		d.most = most
	}
	bound(used{names: 100, bytes: 1 << 20})
	for i := range 1000 {
		d.put(fmt.Sprintf("key%05d", i), valueOf(i))
		if i%50 == 49 {
			if _, ok := d.get("key00000"); !ok { // is used, and stays
				t.Fatalf("what is used is gone after %d names", i)
			}
			d.flush()
		}
	}
	if got := k.has(d, 1000); got < 100 || got > 250 {
		t.Errorf("%d of 1000 names are known, want those of two generations", got)
	}
	bound(used{names: 1 << 20, bytes: 1})
	for range 3 {
		d.put("last", valueOf(1))
		d.flush()
	}
	if got := k.has(d, 1000); got > 0 {
		t.Errorf("%d names are known where no byte may be", got)
	}
}

func TestDamagedAttributesAreBegunAnew(t *testing.T) {
	const names = 3000
	for name, damage := range map[string]func(k *onKnownDisk, b []byte) []byte{
		"no database":       func(*onKnownDisk, []byte) []byte { return []byte("something else\n") },
		"cut off":           func(_ *onKnownDisk, b []byte) []byte { return b[:len(b)/3] },
		"cut off in a page": func(_ *onKnownDisk, b []byte) []byte { return b[:100] },
		"no first pages":    func(_ *onKnownDisk, b []byte) []byte { return append(make([]byte, 4*4096), b[4*4096:]...) },
		"power loss":        func(k *onKnownDisk, b []byte) []byte { k.boot = "another boot"; return b },
		"pages of something": func(_ *onKnownDisk, b []byte) []byte {
			return append(b[:8*4096:8*4096], bytes.Repeat([]byte{0xa5}, len(b)-8*4096)...)
		},
		"other values": func(_ *onKnownDisk, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("text/plain"), []byte("text/plane"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := filled(t, names)
			if name == "power loss" {
				d := k.open()
				d.put("more", valueOf(1))
				d.flush() // it is in use
				b, err := os.ReadFile(k.path())
				if err != nil {
					t.Fatal(err)
				}
				k.dir = t.TempDir()
				if err := os.WriteFile(k.path(), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(k.path())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(k.path(), damage(k, b), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second mount at the latest has a new one
				d := k.open()
				if d == nil {
					t.Fatal("is done without")
				}
				if got := k.has(d, names); got > names/2 && name != "pages of something" {
					t.Errorf("%d names are known", got)
				}
				d.put("key00001", valueOf(1))
				d.Close()
			}
			d := k.open()
			if got := k.has(d, 2); got != 1 {
				t.Errorf("%d of 2 names are known in the end", got)
			}
			if got := strings.Count(k.log.String(), "level="); got != 1 {
				t.Errorf("%d lines are logged:\n%s", got, k.log.String())
			}
		})
	}
}

func TestForeignAttributesAreLeftAlone(t *testing.T) {
	k := filled(t, 1)
	db, err := bbolt.Open(k.path(), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(knownAbout)).Put([]byte(knownFormat), []byte("ncloudfs attributes 99"))
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(k.path())
	if k.open() != nil {
		t.Error("is used")
	}
	k.checkLogged("another version", 1)
	if after, _ := os.ReadFile(k.path()); !bytes.Equal(before, after) {
		t.Error("has changed")
	}
}

func TestAttributesOfAnotherMountAreLeftToIt(t *testing.T) {
	k := filled(t, 3)
	first := k.open()
	if k.open() != nil {
		t.Error("two mounts use it")
	}
	k.checkLogged("another mount uses it", 1)
	if got := k.has(first, 3); got != 3 {
		t.Errorf("the first knows %d names", got)
	}
}

func TestAttributesThatCannotBeWrittenAreReportedOnce(t *testing.T) {
	k := filled(t, 3)
	d := k.open()
	free := int64(0)
	d.free = func() (int64, error) { return free, nil }
	for range 3 {
		d.put("more", valueOf(1))
		d.flush()
	}
	k.checkLogged("no space left", 1)
	if got := k.has(d, 3); got != 3 {
		t.Errorf("%d names are known", got)
	}
	free = 1 << 40
	d.put("more", valueOf(1))
	d.flush()
	if _, ok := d.get("more"); !ok {
		t.Error("is not written when there is room")
	}
}

// TestNextMountKnowsTheAttributes: in both modes, with the pages of the listing.
func TestNextMountKnowsTheAttributes(t *testing.T) {
	const names = 70
	o := Options{StageDir: t.TempDir(), ExactAttrs: true}
	m := aged(t, names, o)
	m.walkDir(names)
	m.create("d/new", []byte("text"))
	for _, exact := range []bool{true, false} {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		o.ExactAttrs = exact
		m.Cache = m.open(o)
		m.server.ResetCounts()
		m.walkDir(names + 1)
		m.checkRequests(fmt.Sprint("the next mount, exact ", exact), counts{emulator.OpListObjects: 1})
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m.put("d/00003", []byte("other"), remote.PutOptions{Meta: remote.Meta{"mode": "33152"}})
	m.ahead.Add(10)
	o.ExactAttrs = true
	m.Cache = m.open(o)
	m.server.ResetCounts()
	m.walkDir(names + 1)
	m.checkRequests("what another client has changed", counts{emulator.OpListObjects: 1, emulator.OpHeadObject: 1})
	if e := m.stat("d/00003"); e.Attr.Mode != 0o100600 {
		t.Errorf("it shows %+v", e)
	}
}

func TestAttributesArePutWhereTheCacheIs(t *testing.T) {
	for name, c := range map[string]struct {
		o    func(cache, stage string) Options
		want string // relative to the directory of both
	}{
		"stage only":             {func(_, stage string) Options { return Options{StageDir: stage} }, "stage/*/attributes"},
		"cache":                  {func(cache, stage string) Options { return Options{StageDir: stage, CacheDir: cache} }, "cache/attributes/*/attributes"},
		"read-only":              {func(_, stage string) Options { return Options{StageDir: stage, ReadOnly: true} }, ""},
		"read-only with a cache": {func(cache, stage string) Options { return Options{StageDir: stage, CacheDir: cache, ReadOnly: true} }, "cache/attributes/*/attributes"},
	} {
		dir := t.TempDir()
		m := mount(t, c.o(filepath.Join(dir, "cache"), filepath.Join(dir, "stage")))
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, place := range []string{"stage/*/attributes", "cache/attributes/*/attributes"} {
			if all, _ := filepath.Glob(filepath.Join(dir, place)); len(all) == 1 {
				found = append(found, place)
			}
		}
		if got := strings.Join(found, " "); got != c.want {
			t.Errorf("%s: they are in %q, want %q", name, got, c.want)
		}
	}
}
