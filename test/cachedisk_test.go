package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ncloudfs/remote/emulator"
)

// diskCached is a bucket whose mounts keep what they read in one directory.
type diskCached struct {
	*store
	dir string
}

func diskCache(t *testing.T) diskCached {
	t.Helper()
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	return diskCached{s, root().dir(t)}
}

func (d diskCached) mount(t testing.TB, options ...string) *mounted {
	t.Helper()
	return d.store.mount(t, root(), append(options, "--cache-dir="+d.dir)...)
}

// gets counts the GETs of an action.
func (d diskCached) gets(t testing.TB, action func()) int {
	t.Helper()
	return requests(t, d.store, action)[opGet]
}

// readCold reads a file that the kernel has no pages of.
func (m *mounted) readCold(t testing.TB, name string) string {
	t.Helper()
	return m.sh(t, "dd if="+name+" iflag=nocache count=0 status=none; cat "+name)
}

// reads checks what is read, and how many GETs that takes.
func (d diskCached) reads(t testing.TB, m *mounted, name, want string, gets int) {
	t.Helper()
	got := ""
	if n := d.gets(t, func() { got = m.readCold(t, name) }); n != gets {
		t.Errorf("%s: %d GETs, want %d", name, n, gets)
	}
	equal(t, name, got, want)
}

// recorded waits until records of n versions are on the disk.
func (d diskCached) recorded(t testing.TB, n int) {
	t.Helper()
	eventually(t, "what was read is recorded", func() bool {
		records, err := filepath.Glob(d.dir + "/blocks/*/record/*")
		ok(t, err)
		return len(records) == n && !strings.Contains(strings.Join(records, " "), ".new")
	})
}

func TestCacheOnDisk(t *testing.T) {
	d := diskCache(t)
	small, large := "small", random(1_500_000)
	d.put(t, "small", small)
	d.put(t, "large", large)
	m := d.mount(t)
	d.reads(t, m, "small", small, 1)
	d.reads(t, m, "large", large, 1)
	m.unmount(t)

	m = d.mount(t)
	d.reads(t, m, "small", small, 0)
	d.reads(t, m, "large", large, 0)
	m.sh(t, "mv large moved; echo written > written")
	d.recorded(t, 3)
	m.kill(t)
	m.ncloudfs(t, 0, "umount", m.path)

	m = d.mount(t)
	d.reads(t, m, "small", small, 0)
	d.reads(t, m, "moved", large, 0)
	d.reads(t, m, "written", "written\n", 0)
	m.unmount(t)

	for _, path := range []string{"", "/blocks"} {
		info, err := os.Stat(d.dir + path)
		ok(t, err)
		equal(t, "mode of "+path, info.Mode().String(), "drwx------")
	}
	d.put(t, "small", "other")
	m = d.mount(t)
	d.reads(t, m, "small", "other", 1)
	d.reads(t, m, "moved", large, 0)
}

// TestCacheOnDiskServesWhatMemoryHasNot: a file larger than the memory.
func TestCacheOnDiskServesWhatMemoryHasNot(t *testing.T) {
	d := diskCache(t)
	large := random(24 << 20)
	d.put(t, "large", large)
	m := d.mount(t, "--memory=32M")
	eventually(t, "all that was read is on the disk", func() bool {
		return d.gets(t, func() { equal(t, "large", m.readCold(t, "large"), large) }) == 0
	})
}

func TestCacheOnDiskIsRefetchedWhereItIsBad(t *testing.T) {
	d := diskCache(t)
	content := random(300_000)
	d.put(t, "file", content)
	m := d.mount(t)
	d.reads(t, m, "file", content, 1)
	m.unmount(t)
	data, err := filepath.Glob(d.dir + "/blocks/*/data/*")
	ok(t, err)
	if len(data) != 1 {
		t.Fatalf("data files: %q", data)
	}
	bad, err := os.OpenFile(data[0], os.O_RDWR, 0)
	ok(t, err)
	_, err = bad.WriteAt([]byte("damage"), 100_000)
	ok(t, err)
	ok(t, bad.Close())
	m = d.mount(t)
	d.reads(t, m, "file", content, 1)
	if !strings.Contains(m.log.String(), "a block in the cache is bad") {
		t.Error("the log does not say that a block was bad")
	}
	m.unmount(t)
	m = d.mount(t)
	d.reads(t, m, "file", content, 0)
}

func TestCacheOnDiskIsRefusedWhereItCannotBe(t *testing.T) {
	d := diskCache(t)
	m := d.mount(t)
	m.unmount(t)
	formats, err := filepath.Glob(d.dir + "/blocks/*/format")
	ok(t, err)
	if len(formats) != 1 {
		t.Fatalf("formats: %q", formats)
	}
	ok(t, os.WriteFile(formats[0], []byte("ncloudfs blocks 99\n"), 0o600))
	refused := func(reason string) {
		t.Helper()
		m := d.launch(t, root(), "--cache-dir="+d.dir)
		m.mayFail = true
		if !m.hasEnded() || !strings.Contains(m.log.String(), reason) {
			t.Errorf("does not say %q: %s", reason, m.log)
		}
	}
	refused("another version of ncloudfs")
	ok(t, os.Chmod(d.dir+"/blocks", 0o777))
	refused("can be written to by others")
}
