package cache

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"ncloudfs/remote/emulator"
)

// allocate is a step of TestStagedFileAgreesWithAModel.
func (f *fileModel) allocate(t *rapid.T) {
	f.isOpen(t)
	a := Allocation{Off: rapid.Int64Range(0, 3000).Draw(t, "off"), Zero: rapid.Bool().Draw(t, "zero"), KeepSize: rapid.Bool().Draw(t, "keep size")}
	a.End = a.Off + rapid.Int64Range(1, 1500).Draw(t, "length")
	a.Free = a.Zero && a.KeepSize && rapid.Bool().Draw(t, "free")
	if err := f.s.Allocate(a); err != nil {
		t.Fatal(err)
	}
	if size := int(a.End); !a.KeepSize && size > len(f.data) {
		f.resize(size)
		f.changed = true
	}
	if low, high := int(a.Off), min(int(a.End), len(f.data)); a.Zero && low < high {
		clear(f.data[low:high])
		clear(f.isBase[low:high])
		f.changed = true
	}
}

// seek is another: what is skipped as a hole is zeros, and none of the base.
func (f *fileModel) seek(t *rapid.T) {
	f.isOpen(t)
	off := rapid.IntRange(0, 4000).Draw(t, "off")
	at, found := f.s.SeekData(int64(off))
	if !found {
		at = int64(max(off, len(f.data)))
	}
	for i := off; i < min(int(at), len(f.data)); i++ {
		if f.data[i] != 0 || f.isBase[i] {
			t.Fatalf("SEEK_DATA from %d: %d, %v; there is data at %d of %d", off, at, found, i, len(f.data))
		}
	}
	at, found = f.s.SeekHole(int64(off))
	if found != (off < len(f.data)) || found && (int(at) > len(f.data) || int(at) < len(f.data) && (f.data[at] != 0 || f.isBase[at])) {
		t.Fatalf("SEEK_HOLE from %d: %d, %v, of %d", off, at, found, len(f.data))
	}
}

func (m *mounted) allocate(s *Staged, a Allocation) {
	m.t.Helper()
	if err := s.Allocate(a); err != nil {
		m.t.Fatalf("%+v: %v", a, err)
	}
}

func TestWhatIsSetAsideCountsAgainstTheLimit(t *testing.T) {
	m := mount(t, Options{StageSize: 1 << 20})
	s, other := m.overwrite("a"), m.overwrite("b")
	isFull := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrStageFull) {
			t.Errorf("%s: %v, want ErrStageFull", what, err)
		}
	}
	isFull("more than the limit", s.Allocate(Allocation{End: 1<<20 + 1, KeepSize: true}))
	m.allocate(s, Allocation{End: 900_000, KeepSize: true})
	m.allocate(s, Allocation{Off: 100_000, End: 900_000, Zero: true}) // of which all is set aside already
	_, err := other.WriteAt(make([]byte, 200_000), 0)
	isFull("a write to another file", err)
	content := random("a", 900_000)
	m.write(s, content, 0)
	m.commit(s)
	m.checkObject("a", content)
	m.server.ResetCounts()
	m.allocate(s, Allocation{Off: 900_000, End: 1_000_000, KeepSize: true})
	m.commit(s)
	m.checkRequests("a commit after an allocation that changed no byte", counts{})
	m.allocate(s, Allocation{Off: 0, End: 800_000, Zero: true, Free: true, KeepSize: true})
	m.write(other, make([]byte, 200_000), 0)
	clear(content[:800_000])
	m.commit(s)
	m.commit(other)
	m.checkObject("a", content)
	s.Release()
	other.Release()
	m.checkStageEmpty()
}

// TestZeroedBytesTakeNoSpace, however many of the base they cover.
func TestZeroedBytesTakeNoSpace(t *testing.T) {
	m := mount(t, Options{StageSize: 100_000})
	want := random("base", 20<<20)
	m.put("a", want)
	s := m.edit("a")
	m.write(s, []byte("edited"), 10<<20)
	m.allocate(s, Allocation{Off: 1000, End: 19 << 20, Zero: true, Free: true, KeepSize: true})
	clear(want[1000 : 19<<20])
	m.write(s, []byte("edited again"), 9<<20)
	copy(want[9<<20:], "edited again")
	m.checkStaged(s, want)
	if at, found := s.SeekHole(0); at != 1000 || !found {
		t.Errorf("the hole begins at %d, %v", at, found)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(s.file.Fd()), &st); err != nil || st.Blocks*512 > 100_000 {
		t.Errorf("the data file takes %d bytes, %v", st.Blocks*512, err)
	}
	m.commit(s)
	m.checkObject("a", want)
	s.Release()
	m.checkStageEmpty()
}

// TestZeroedBytesSurviveACrash, those of the base and those that were promised
// before.
func TestZeroedBytesSurviveACrash(t *testing.T) {
	m := mountBehind(t, Options{})
	want := random("base", 200_000)
	m.put("a", want)
	save := func(s *Staged) {
		t.Helper()
		if err := s.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	free := m.hold("a") // nothing is uploaded before the crash
	s := m.edit("a")
	m.write(s, bytes.Repeat([]byte("x"), 60_000), 0)
	copy(want, bytes.Repeat([]byte("x"), 60_000))
	save(s)
	m.allocate(s, Allocation{Off: 20_000, End: 150_000, Zero: true, Free: true, KeepSize: true})
	m.allocate(s, Allocation{Off: 190_000, End: 250_000, Zero: true})
	want = append(want, make([]byte, 50_000)...)
	clear(want[20_000:150_000])
	clear(want[190_000:])
	save(s)
	m.crashBehind()
	free()
	m.checkFile("a", want)
	m.sync()
	m.checkObject("a", want)
}

// TestSparseFileIsSentOnce, from its end to its start, with zeros where the memory
// that parts are read into has held others.
func TestSparseFileIsSentOnce(t *testing.T) {
	m := mount(t, Options{})
	m.create("noise", aheadContent())
	m.server.ResetCounts()
	s, content := m.overwrite("a"), make([]byte, aheadTestSize)
	for _, at := range []int{aheadTestSize - 3, 17 << 20, 0} {
		m.write(s, []byte("abc"), int64(at))
		copy(content[at:], "abc")
	}
	m.commit(s)
	m.checkRequests("in all", counts{emulator.OpCreateMultipartUpload: 1, emulator.OpUploadPart: aheadTestParts, emulator.OpCompleteMultipartUpload: 1})
	m.checkObject("a", content)
	s.Release()
	m.checkStageEmpty()
}

func TestHolesInWhatTheKernelWrites(t *testing.T) {
	m := mount(t, Options{KernelWrites: true})
	k, content := m.direct("a"), aheadContent()
	k.pwrite(content, 0)
	m.untilSent(k.Staged, aheadTestParts-1)
	m.allocate(k.Staged, Allocation{Off: 1 << 20, End: 2<<20 + 10, Zero: true, Free: true, KeepSize: true})
	clear(content[1<<20 : 2<<20+10])
	end := int64(len(content))
	m.allocate(k.Staged, Allocation{Off: end, End: end + 5000})
	content = append(content, make([]byte, 5000)...)
	m.allocate(k.Staged, Allocation{Off: end, End: end + 1<<20, KeepSize: true})
	if at, found := k.SeekHole(0); at != 1<<20 || !found {
		t.Errorf("the hole begins at %d, %v", at, found)
	}
	m.commit(k.Staged)
	m.checkObject("a", content)
	k.pwrite([]byte("end"), end+4997)
	copy(content[end+4997:], "end")
	k.close()
	m.checkStageEmpty()
	m.checkObject("a", content)
}
