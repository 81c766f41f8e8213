package cache

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ncloudfs/remote"
)

// namespaceModel is what files there are, and what the same operations have
// made of the mount. Every one of them is closed, so that all of them survive.
type namespaceModel struct {
	m     *mounted
	dir   Name
	files map[Name][]byte
	puts  int
}

func (f *namespaceModel) name(t *rapid.T, label string) Name {
	return f.dir.Join(rapid.SampledFrom([]string{"a", "b", "c", "d/e"}).Draw(t, label))
}

func (f *namespaceModel) write(t *rapid.T) {
	n := f.name(t, "name")
	f.puts++
	size := rapid.SampledFrom([]int64{0, 10, 1000, 40_000}).Draw(t, "size")
	body := random(fmt.Sprint(n, f.puts), size)
	s, err := f.m.stageOf(f.m.t.Context(), n, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	if _, err := s.WriteAt(body, 0); err != nil {
		t.Fatal(err)
	}
	f.close(t, s)
	f.files[n] = body
}

func (f *namespaceModel) edit(t *rapid.T) {
	n := f.existing(t)
	off := rapid.IntRange(0, 2000).Draw(t, "off")
	f.puts++
	body := random(fmt.Sprint("edit", n, f.puts), 500)
	s, err := f.m.stageOf(f.m.t.Context(), n, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	if _, err := s.WriteAt(body, int64(off)); err != nil {
		t.Fatal(err)
	}
	f.close(t, s)
	now := make([]byte, max(len(f.files[n]), off+len(body)))
	copy(now, f.files[n])
	copy(now[off:], body)
	f.files[n] = now
}

func (f *namespaceModel) close(t *rapid.T, s *Staged) {
	if err := s.Save(f.m.t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (f *namespaceModel) existing(t *rapid.T) Name {
	n := f.name(t, "existing")
	if f.files[n] == nil {
		t.Skip("not there")
	}
	return n
}

func (f *namespaceModel) rename(t *rapid.T) {
	from, to := f.existing(t), f.name(t, "to")
	if from == to {
		t.Skip("the same")
	}
	if _, err := f.m.Rename(f.m.t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	f.files[to] = f.files[from]
	delete(f.files, from)
}

func (f *namespaceModel) remove(t *rapid.T) {
	n := f.existing(t)
	if err := f.m.Remove(f.m.t.Context(), n, false); err != nil {
		t.Fatal(err)
	}
	delete(f.files, n)
}

func (f *namespaceModel) chmod(t *rapid.T) {
	n := f.existing(t)
	if err := f.m.SetAttr(f.m.t.Context(), n, setMode(rapid.Uint32Range(0o100400, 0o100777).Draw(t, "mode"))); err != nil {
		t.Fatal(err)
	}
}

// check compares all files as the mount shows them.
func (f *namespaceModel) check(t *rapid.T) {
	for _, base := range []string{"a", "b", "c", "d/e"} {
		n := f.dir.Join(base)
		got, err := f.m.readFile(f.m.t.Context(), n)
		want := f.files[n]
		if err != nil || (got == nil) != (want == nil) || !bytes.Equal(got, want) {
			t.Fatalf("file %q: exists %v with %d bytes, %v; want %v with %d; first difference at %d",
				n, got != nil, len(got), err, want != nil, len(want), firstDifference(got, want))
		}
	}
}

func (f *namespaceModel) sync(t *rapid.T) {
	if err := f.m.Sync(f.m.t.Context()); err != nil {
		t.Fatal(err)
	}
	f.checkBucket(t)
}

// checkBucket compares the bucket, where there must be nothing else.
func (f *namespaceModel) checkBucket(t *rapid.T) {
	page, err := f.m.other.ListPage(f.m.t.Context(), remote.ListOptions{Bucket: "bucket", Prefix: string(f.dir) + "/"})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, o := range page.Objects {
		if isMarker(Name(o.Path.Key)) {
			continue
		}
		count++
		body, err := getAll(f.m.t.Context(), f.m.other, o.Path)
		if want := f.files[Name(o.Path.Key)]; err != nil || want == nil || !bytes.Equal(body, want) {
			t.Fatalf("object %s: %d bytes, %v; want %v with %d", o.Path.Key, len(body), err, want != nil, len(want))
		}
	}
	if count != len(f.files) {
		t.Fatalf("%d objects, want %d files", count, len(f.files))
	}
}

func (f *namespaceModel) crash(*rapid.T) { f.m.crashBehind() }

// pause lets some of what is behind go on.
func (f *namespaceModel) pause(t *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 400).Draw(t, "ms")) * time.Millisecond)
}

// namespaceRuns is how many histories are tried: NCLOUDFS_TEST_HISTORIES, or 25.
func namespaceRuns() int {
	if n, err := strconv.Atoi(os.Getenv("NCLOUDFS_TEST_HISTORIES")); err == nil {
		return n
	}
	return 25
}

func TestNamespaceInWriteBackModeAgreesWithAModel(t *testing.T) {
	t.Parallel()
	m := mountBehind(t, Options{LateTime: time.Second}) // a request of before a crash may take that long on a busy machine
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		if run++; run > namespaceRuns() {
			return
		}
		f := &namespaceModel{m: m, dir: Name(fmt.Sprint("run", run)), files: map[Name][]byte{}}
		if err := m.Mkdir(m.t.Context(), f.dir.Join("d"), Attr{}); err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){
			"write": f.write, "write again": f.write, "edit": f.edit, "rename": f.rename, "rename again": f.rename, "remove": f.remove,
			"chmod": f.chmod, "sync": f.sync, "crash": f.crash, "pause": f.pause, "": f.check,
		})
		f.sync(t)
	})
	// A removal waits for what an upload that was in doubt may still make.
	eventually(t, "nothing left in the journal", func() bool { return len(m.stage.journal.Live()) == 0 })
	m.checkNoUploads()
	m.checkStageEmpty()
}
