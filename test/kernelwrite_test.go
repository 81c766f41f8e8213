package test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// kernelWrites is a mount whose kernel writes new files by itself.
func kernelWrites(t *testing.T) (*store, *mounted) {
	t.Helper()
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--kernel-writes=auto", "--log-level=debug")
	if strings.Contains(m.log.String(), "by itself, which would be faster") {
		require(t, "passthrough", false, "the kernel refuses to write by itself")
	}
	return s, m
}

// told is how often the daemon was told of bytes.
func told(m *mounted) int { return strings.Count(m.log.String(), ": WRITE n") }

// TestKernelWrites: all handles, of whatever kind, see each other's writes, and
// so does every close.
func TestKernelWrites(t *testing.T) {
	t.Parallel()
	s, m := kernelWrites(t)
	w, err := m.start(t).open("file", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	ok(t, err)
	_, err = w.pwrite("first", 0)
	ok(t, err)
	ok(t, w.fsync())
	equal(t, "after fsync", s.content(t, "file"), "first")
	handles := map[string]*file{}
	for who, flags := range map[string]int{"a reader": unix.O_RDONLY, "another writer": unix.O_WRONLY, "one that appends": unix.O_WRONLY | unix.O_APPEND,
		"one that does both": unix.O_RDWR, "one that reads and appends": unix.O_RDWR | unix.O_APPEND} {
		if handles[who], err = m.start(t).open("file", flags); err != nil {
			t.Fatalf("%s: %v", who, err)
		}
	}
	if n := told(m); n != 0 {
		t.Errorf("the daemon was told of %d writes", n)
	}
	synced, err := m.start(t).open("file", unix.O_WRONLY|unix.O_SYNC)
	ok(t, err)
	_, err = synced.pwrite("FIRST", 0)
	ok(t, err)
	equal(t, "after a write with O_SYNC", s.content(t, "file"), "FIRST")
	_, err = synced.pwrite("first", 0)
	ok(t, err)
	ok(t, synced.close())
	fails(t, "a mapping that we would not see stores through", handles["one that does both"].mmap(4096, unix.PROT_READ|unix.PROT_WRITE), unix.ENODEV)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	model := "first"
	for range 60 {
		data := random(1 + chance.IntN(50_000))
		off := chance.IntN(len(model) + 1)
		by := []*file{w, handles["another writer"], handles["one that appends"], handles["one that does both"], handles["one that reads and appends"]}[chance.IntN(5)]
		switch {
		case chance.IntN(8) == 0:
			ok(t, by.ftruncate(int64(off)))
			data = ""
			model = model[:off]
		case by == handles["one that appends"], by == handles["one that reads and appends"]:
			_, err = by.write(data)
			off = len(model)
		default:
			_, err = by.pwrite(data, int64(off))
		}
		ok(t, err)
		model = model[:off] + data + model[min(len(model), off+len(data)):]
		for _, who := range []string{"a reader", "one that does both"} {
			sees(t, who, handles[who], model, 0)
		}
		stat, err := w.fstat()
		ok(t, err)
		if stat.Size != int64(len(model)) {
			t.Fatalf("size %d, want %d", stat.Size, len(model))
		}
		if chance.IntN(5) == 0 {
			ok(t, by.fsync())
			equal(t, "after fsync", s.content(t, "file"), model)
		}
	}
	for _, f := range handles {
		ok(t, f.close())
	}
	_, err = w.pwrite("last", 0)
	ok(t, err)
	ok(t, w.close())
	s.sync(t)
	equal(t, "after the last close", s.content(t, "file"), "last"+model[min(4, len(model)):])
	equal(t, "for the next reader", m.sh(t, "head -c 4 file"), "last")
}

// TestKernelWritesSurviveACrash: what a program wrote before the daemon died,
// without having closed it, can be uploaded.
func TestKernelWritesSurviveACrash(t *testing.T) {
	t.Parallel()
	s, m := kernelWrites(t)
	stage := m.stageDir(t)
	p := m.start(t)
	f, err := p.open("open", unix.O_WRONLY|unix.O_CREAT)
	ok(t, err)
	content := random(3 << 20)
	_, err = f.pwrite(content, 0)
	ok(t, err)
	m.mayFail = true
	m.kill(t)
	_, _ = f.pwrite("afterwards", 100) // which the kernel lets happen
	p.end()
	m.ncloudfs(t, 0, "umount", m.path)
	again := s.mount(t, root(), "--kernel-writes=auto", "--stage-dir="+stage, "--recover=upload")
	again.ncloudfs(t, 0, "sync", again.path)
	if got := s.content(t, "open"); len(got) != len(content) || got[200:] != content[200:] {
		t.Errorf("%d bytes, want %d", len(got), len(content))
	}
}
