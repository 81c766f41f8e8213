package test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// kernelRead is a mount whose kernel reads "file", of content, by itself.
type kernelRead struct {
	disk diskCached
	*mounted
	content string
}

func kernelReads(t *testing.T, options ...string) *kernelRead {
	t.Helper()
	k := &kernelRead{disk: diskCache(t), content: random(3 << 20)}
	k.disk.put(t, "file", k.content)
	k.mounted = k.disk.mount(t, append(options, "--log-level=debug")...)
	if strings.Contains(k.log.String(), "by itself, which would be faster") {
		require(t, "passthrough", false, "the kernel refuses to read the cache by itself")
	}
	k.awaitSeal(t, "file", k.content)
	return k
}

// awaitSeal waits until reading a file asks the daemon for nothing.
func (k *kernelRead) awaitSeal(t testing.TB, name, content string) {
	t.Helper()
	eventually(t, "the kernel reads by itself", func() bool {
		before := k.asked()
		return k.readCold(t, "'"+name+"'") == content && k.asked() == before
	})
}

// asked is how often the daemon was asked for bytes.
func (k *kernelRead) asked() int { return strings.Count(k.log.String(), ": READ n") }

// sees checks what a handle reads at an offset.
func sees(t testing.TB, who string, f *file, want string, off int64) {
	t.Helper()
	got, err := f.pread(len(want)+1, off)
	ok(t, err)
	equal(t, who, got[:min(len(got), len(want))], want)
}

func TestKernelReads(t *testing.T) {
	k := kernelReads(t)
	p := k.start(t)
	f, err := p.open("file", unix.O_RDONLY)
	ok(t, err)
	got, err := f.readAll()
	ok(t, err)
	equal(t, "file", got, k.content)
	ok(t, f.mmap(len(k.content), unix.PROT_READ))
	got, err = f.load(5000, 70_000)
	ok(t, err)
	equal(t, "through a mapping", got, k.content[70_000:75_000])
	ok(t, f.close())
	ok(t, f.munmap())
	k.unmount(t)

	k.mounted = k.disk.mount(t, "--log-level=debug")
	if n := k.disk.gets(t, func() { equal(t, "after a remount", k.readCold(t, "file"), k.content) }); n != 0 {
		t.Errorf("%d GETs after a remount", n)
	}
	if n := k.asked(); n != 0 {
		t.Errorf("the daemon was asked %d times after a remount", n)
	}
}

// TestKernelReadsWhatIsWritten: a reader whose bytes the kernel reads sees what
// others write, and they each other.
func TestKernelReadsWhatIsWritten(t *testing.T) {
	k := kernelReads(t)
	r, err := k.start(t).open("file", unix.O_RDONLY)
	ok(t, err)
	sees(t, "the reader", r, k.content[:100], 0)
	w, err := k.start(t).open("file", unix.O_RDWR)
	ok(t, err)
	late, err := k.start(t).open("file", unix.O_RDONLY)
	ok(t, err)
	before := k.asked()

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	model := []byte(k.content)
	for range 60 {
		off := chance.IntN(len(model))
		switch data := random(1 + chance.IntN(100_000)); chance.IntN(8) {
		case 0:
			ok(t, w.ftruncate(int64(off)))
			model = model[:off+1]
			model = model[:off]
			ok(t, w.ftruncate(int64(off+len(data))))
			model = append(model, make([]byte, len(data))...)
		default:
			_, err := w.pwrite(data, int64(off))
			ok(t, err)
			model = append(model, make([]byte, max(0, off+len(data)-len(model)))...)
			copy(model[off:], data)
		}
		at := chance.IntN(len(model))
		want := string(model[at:min(at+50_000, len(model))])
		for who, f := range map[string]*file{"the reader": r, "the writer": w, "the later reader": late} {
			sees(t, who, f, want, int64(at))
			stat, err := f.fstat()
			ok(t, err)
			if stat.Size != int64(len(model)) {
				t.Fatalf("%s: size %d, want %d", who, stat.Size, len(model))
			}
		}
	}
	if k.asked() == before {
		t.Error("the writer's handle does not ask the daemon")
	}
	ok(t, w.mmap(4096, unix.PROT_READ|unix.PROT_WRITE))
	ok(t, w.store("stored", 10))
	ok(t, w.msync())
	copy(model[10:], "stored")
	sees(t, "the reader, what was stored in a mapping", r, string(model[:100]), 0)
	ok(t, w.munmap())
	ok(t, w.close())
	equal(t, "the object", k.disk.content(t, "file"), string(model))
	for _, f := range []*file{r, late} {
		got, err := f.readAll()
		ok(t, err)
		equal(t, "a reader after the writer's close", got, string(model))
		ok(t, f.close())
	}
	equal(t, "a later open", k.readCold(t, "file"), string(model))
	k.unmount(t)
	k.mounted = k.disk.mount(t)
	equal(t, "after a remount", k.readCold(t, "file"), string(model))
}

func TestKernelReadsNothingOfATruncatedFile(t *testing.T) {
	k := kernelReads(t)
	p := k.start(t)
	r, err := p.open("file", unix.O_RDONLY)
	ok(t, err)
	sees(t, "the reader", r, k.content[:100], 0)
	ok(t, k.start(t).writeFile("file", "new"))
	got, err := r.readAll()
	ok(t, err)
	equal(t, "the reader", got, "new")
	ok(t, p.truncate("file", 1))
	got, err = r.readAll()
	ok(t, err)
	equal(t, "the reader after truncate(2)", got, "n")
	ok(t, r.close())
	eventually(t, "the object is what was written", func() bool { return k.disk.content(t, "file") == "n" })
}

// TestKernelReadsOneVersion: another client's version is not what the open file
// is.
func TestKernelReadsOneVersion(t *testing.T) {
	k := kernelReads(t, "--metadata-ttl=20ms")
	p := k.start(t)
	r, err := p.open("file", unix.O_RDONLY)
	ok(t, err)
	sees(t, "the reader", r, k.content[:100], 0)
	other := strings.Repeat("other", 600_000)
	k.disk.put(t, "file", other)
	eventually(t, "a new open finds the new version", func() bool {
		got, err := p.readFile("file")
		if err != nil && !errors.Is(err, unix.ESTALE) {
			t.Error(err)
		}
		return got == other
	})
	got, err := r.readAll()
	ok(t, err)
	equal(t, "the old handle", got, k.content)
	ok(t, r.close())
	equal(t, "a cold read", k.readCold(t, "file"), other)
}

func TestKernelReadsWhatWasRenamedOrRemoved(t *testing.T) {
	k := kernelReads(t)
	p := k.start(t)
	r, err := p.open("file", unix.O_RDONLY)
	ok(t, err)
	sees(t, "the reader", r, k.content[:100], 0)
	ok(t, p.rename("file", "moved"))
	before := k.asked()
	got, err := p.readFile("moved")
	ok(t, err)
	equal(t, "under its new name", got, k.content)
	if k.asked() != before {
		t.Error("the daemon is asked for what was renamed")
	}
	ok(t, p.unlink("moved"))
	got, err = r.readAll()
	ok(t, err)
	equal(t, "what was removed", got, k.content)
	ok(t, r.close())
}

// TestKernelReadsBesideOthers: with handles of other kinds open, too, no open
// fails.
func TestKernelReadsBesideOthers(t *testing.T) {
	k := kernelReads(t, "--metadata-ttl=20ms")
	p := k.start(t)
	kinds := map[string]int{"reader": unix.O_RDONLY, "direct reader": unix.O_RDONLY | unix.O_DIRECT,
		"writer": unix.O_RDWR, "appender": unix.O_WRONLY | unix.O_APPEND}
	content := k.content[:1<<20]
	for first := range kinds {
		for second := range kinds {
			k.disk.put(t, "kinds/"+first+" "+second, content)
		}
	}
	for first, one := range kinds {
		for second, two := range kinds {
			name := "kinds/" + first + " " + second
			k.awaitSeal(t, name, content)
			a, err := p.open(name, one)
			ok(t, err)
			b, err := p.open(name, two)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, f := range []*file{a, b} {
				if got, err := f.pread(100, 5000); err == nil {
					equal(t, name, got, content[5000:5100])
				} else if !errors.Is(err, unix.EBADF) {
					t.Errorf("%s: %v", name, err)
				}
			}
			ok(t, a.close())
			c, err := p.open(name, unix.O_RDONLY)
			if err != nil {
				t.Fatalf("%s, then a reader: %v", name, err)
			}
			ok(t, b.close())
			ok(t, c.close())
		}
	}
}
