package cache

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

func TestSmallFileIsOnePut(t *testing.T) {
	m := mount(t, Options{})
	m.checkKind("d/a", Absent)
	m.server.ResetCounts()
	s := m.edit("d/a")
	m.checkKind("d/a", File)
	m.checkRequests("create", counts{})
	m.write(s, []byte("hello"), 0)
	m.write(s, []byte(" world"), 5)
	m.checkRequests("write", counts{})
	m.commit(s)
	m.checkRequests("commit", counts{emulator.OpPutObject: 1})
	m.commit(s)
	s.Release()
	m.checkKind("d/a", File)
	m.checkRequests("nothing new", counts{})
	m.checkObject("d/a", []byte("hello world"))
	m.checkStageEmpty()
}

func TestWrittenFileIsReadBackWithoutARequest(t *testing.T) {
	m := mount(t, Options{})
	body := random("kept", 100_000)
	m.create("a", body)
	m.server.ResetCounts()
	r := m.Reader(m.stat("a").Object)
	defer r.Close()
	view, err := r.Read(t.Context(), 0, len(body))
	if err != nil {
		t.Fatal(err)
	}
	defer view.Release()
	got := make([]byte, view.Size())
	view.CopyTo(got)
	if !slices.Equal(got, body) {
		t.Error("other bytes came back")
	}
	m.checkRequests("reading back", counts{})
}

func TestEmptyFileIsOnePut(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	if !s.Untouched() {
		t.Error("a new file is not untouched")
	}
	m.server.ResetCounts()
	m.commit(s)
	if s.Untouched() {
		t.Error("untouched after its commit")
	}
	s.Release()
	m.checkRequests("commit", counts{emulator.OpPutObject: 1})
	m.checkObject("a", []byte{})
}

func TestLargeFileGoesInParts(t *testing.T) {
	m := mount(t, Options{})
	body := random("large", singlePutLimit+1)
	s := m.overwrite("large")
	m.write(s, body, 0)
	m.server.ResetCounts()
	m.commit(s)
	m.checkRequests("commit", counts{emulator.OpCreateMultipartUpload: 1, emulator.OpUploadPart: 3, emulator.OpCompleteMultipartUpload: 1})
	m.commit(s)
	s.Release()
	m.checkRequests("nothing new", counts{})
	m.checkObject("large", body)
	m.checkNoUploads()
	m.checkStageEmpty()
}

func TestOverwritingSendsNeitherGetNorHead(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("the old content"))
	m.checkKind("a", File)
	s := m.overwrite("a") // describes the object: one HEAD
	m.server.ResetCounts()
	m.write(s, []byte("new"), 0)
	m.commit(s)
	s.Release()
	m.checkRequests("overwrite", counts{emulator.OpPutObject: 1})
	m.checkObject("a", []byte("new"))
}

func TestEditOfALargeObjectChecksItsBaseJustBeforeComplete(t *testing.T) {
	m := mount(t, Options{})
	const size = 28 << 20
	want := random("base", size)
	m.put("large", want)
	s := m.edit("large")
	defer s.Release()
	edited := random("edit", 9<<20) // covers the second part
	copy(want[8<<20-5:], edited)
	m.write(s, edited, 8<<20-5)
	m.server.ResetCounts()
	m.commit(s)
	got := m.server.Counts()
	gets := got[emulator.OpGetObject]
	if gets == 0 || gets > 6 || m.server.Traffic().Out > size+1<<20 {
		t.Errorf("%d GETs of %d bytes for the untouched ranges", gets, m.server.Traffic().Out)
	}
	log := m.server.Log()
	if n := len(log); log[n-2].Operation != emulator.OpHeadObject || log[n-1].Operation != emulator.OpCompleteMultipartUpload {
		t.Errorf("the last requests: %+v", log[n-3:])
	}
	m.checkRequests("commit", counts{emulator.OpGetObject: gets, emulator.OpHeadObject: 1,
		emulator.OpCreateMultipartUpload: 1, emulator.OpUploadPart: 4, emulator.OpCompleteMultipartUpload: 1})
	m.checkObject("large", want)
	m.checkStaged(s, want)
}

func TestSmallEditIsGetHeadPut(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("0123456789"))
	s := m.edit("a")
	defer s.Release()
	m.server.ResetCounts()
	m.write(s, []byte("xy"), 4)
	m.commit(s)
	m.checkRequests("edit", counts{emulator.OpGetObject: 1, emulator.OpHeadObject: 1, emulator.OpPutObject: 1})
	m.checkObject("a", []byte("0123xy6789"))
	m.server.ResetCounts()
	m.write(s, []byte("!"), 10) // the second commit has its base in memory
	m.commit(s)
	m.checkRequests("append", counts{emulator.OpGetObjectACL: 1, emulator.OpHeadObject: 1, emulator.OpPutObject: 1})
	m.checkObject("a", []byte("0123xy6789!"))
}

func TestChangedAttributesAloneAreOneCopy(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("content"), remote.PutOptions{ContentType: "text/x-own", Meta: remote.Meta{"foreign": "kept"}})
	s := m.edit("a")
	m.server.ResetCounts()
	s.SetAttr(func(a *Attr) { a.Mode, a.HasMode = 0o100640, true })
	if !s.Dirty() {
		t.Error("not dirty")
	}
	m.commit(s)
	s.Release()
	m.checkRequests("commit", counts{emulator.OpCopyObject: 1})
	o := m.head("a")
	if o.Meta["mode"] != "33184" || o.Meta["foreign"] != "kept" || o.ContentType != "text/x-own" {
		t.Errorf("got %+v", o)
	}
	m.checkObject("a", []byte("content"))
	m.server.ResetCounts()
	if e := m.stat("a"); !e.Known || e.Attr.Mode != 0o100640 {
		t.Errorf("got %+v", e)
	}
	m.checkRequests("stat", counts{})
}

func TestCommitCarriesAttributesAndForeignMetadata(t *testing.T) {
	m := mount(t, Options{})
	m.put("a.txt", []byte("content"), remote.PutOptions{ContentType: "text/x-own", Meta: remote.Meta{"foreign": "kept", "mode": "33188"}})
	s := m.overwrite("a.txt")
	m.write(s, []byte("new"), 0)
	s.SetAttr(func(a *Attr) { a.UID, a.GID, a.HasOwner = 7, 8, true })
	m.server.ResetCounts()
	m.commit(s)
	s.Release()
	m.checkRequests("commit", counts{emulator.OpPutObject: 1})
	o := m.head("a.txt")
	if o.Meta["foreign"] != "kept" || o.Meta["mode"] != "33188" || o.Meta["uid"] != "7" || o.Meta["mtime"] == "" || o.ContentType != "text/x-own" {
		t.Errorf("got %+v", o)
	}
}

func TestBaseWrittenElsewhereIsAConflict(t *testing.T) {
	for name, size := range map[string]int64{"small": 10_000, "large": 17 << 20} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.put("a", random("base", size))
			s := m.edit("a")
			m.write(s, []byte("mine"), 5)
			theirs := random("theirs", size)
			m.put("a", theirs)
			if err := s.Commit(t.Context()); !errors.Is(err, remote.ErrChanged) {
				t.Errorf("commit: %v, want ErrChanged", err)
			}
			m.checkObject("a", theirs)
			m.checkNoUploads()
			s.Release()
			eventually(t, "theirs is shown", func() bool {
				e, err := m.Stat(t.Context(), "a")
				return err == nil && e.Staged == nil && e.Object.ETag == m.head("a").ETag
			})
			if left, err := dataFiles(m.stage.root.Name()); err != nil || len(left) != 1 {
				t.Errorf("kept: %q %v, want one file", left, err)
			}
		})
	}
}

func TestBaseRemovedElsewhereIsAConflict(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*mounted, *Staged)
		kept   int
	}{
		"data":       {func(m *mounted, s *Staged) { m.write(s, []byte("mine"), 5) }, 1},
		"attributes": {func(_ *mounted, s *Staged) { s.SetAttr(setMode(0o100600)) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			m.put("a", random("base", 10_000))
			s := m.edit("a")
			c.change(m, s)
			if err := m.other.Delete(t.Context(), m.path("a")); err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(t.Context()); !errors.Is(err, remote.ErrChanged) {
				t.Errorf("commit: %v, want ErrChanged", err)
			}
			m.checkObject("a", nil)
			s.Release()
			eventually(t, "the file is set aside", func() bool { return m.stage.Of("a") == nil })
			m.checkKind("a", Absent)
			m.stage.removeDoomedNow()
			if left, err := dataFiles(m.stage.root.Name()); err != nil || len(left) != c.kept {
				t.Errorf("kept: %q %v, want %d files", left, err, c.kept)
			}
		})
	}
}

// TestHandleOpenedWhileAConflictIsFoundIsToldOfIt: the file must not be set
// aside under it.
func TestHandleOpenedWhileAConflictIsFoundIsToldOfIt(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", random("base", 10_000))
	s := m.edit("a")
	m.write(s, []byte("mine"), 5)
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpHeadObject, Effect: emulator.StallHeader, Count: 1})
	m.server.ResetCounts()
	s.Release()
	m.until(emulator.OpHeadObject, 1)
	theirs := random("theirs", 10_000)
	m.put("a", theirs)
	again, err := m.OpenStaged("a", StageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	release()
	if err := again.Commit(t.Context()); !errors.Is(err, remote.ErrChanged) {
		t.Errorf("commit: %v, want ErrChanged", err)
	}
	m.write(again, []byte("more"), 50)
	if err := again.Commit(t.Context()); !errors.Is(err, remote.ErrChanged) {
		t.Errorf("commit after another write: %v, want ErrChanged", err)
	}
	again.Release()
	eventually(t, "the file is set aside", func() bool { return m.stage.Of("a") == nil })
	m.checkObject("a", theirs)
}

func TestChangeBetweenReadingTheBaseAndItsCheckIsSeen(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", random("base", 10_000))
	s := m.edit("a")
	defer s.Release()
	m.write(s, []byte("mine"), 5)
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpHeadObject, Effect: emulator.StallHeader, Count: 1})
	m.server.ResetCounts()
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.Commit(t.Context()); !errors.Is(err, remote.ErrChanged) {
			t.Errorf("commit: %v, want ErrChanged", err)
		}
	})
	m.until(emulator.OpHeadObject, 1)
	theirs := random("theirs", 10_000)
	m.put("a", theirs)
	release()
	group.Wait()
	m.checkObject("a", theirs)
}

func TestWhollyOverwrittenFileHasNoConflict(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("base"))
	s := m.edit("a")
	defer s.Release()
	m.write(s, []byte("mine"), 0)
	m.put("a", []byte("theirs"))
	m.server.ResetCounts()
	m.commit(s)
	m.checkRequests("commit", counts{emulator.OpPutObject: 1})
	m.checkObject("a", []byte("mine"))
}

func TestWriteDuringAnUploadGoesWithTheNextCommit(t *testing.T) {
	m := mount(t, Options{})
	want := random("first", 20<<20)
	s := m.overwrite("a")
	defer s.Release()
	m.write(s, want, 0)
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpUploadPart, Skip: 1, Count: 1, Effect: emulator.StallHeader})
	m.server.ResetCounts()
	var group sync.WaitGroup
	group.Go(func() { m.commitIn(s) })
	m.until(emulator.OpUploadPart, 3)
	late := random("late", 3<<20)
	copy(want[7<<20:], late)
	m.write(s, late, 7<<20)
	m.checkStaged(s, want)
	group.Go(func() { m.commitIn(s) }) // must not be satisfied by the upload that runs
	release()
	group.Wait()
	if s.Dirty() {
		t.Error("dirty after both commits")
	}
	m.checkRequests("both commits", counts{emulator.OpGetObjectACL: 1, emulator.OpCreateMultipartUpload: 2, emulator.OpUploadPart: 6, emulator.OpCompleteMultipartUpload: 2})
	m.checkObject("a", want)
	m.checkStaged(s, want)
}

// commitIn is commit for other goroutines than the test's.
func (m *mounted) commitIn(s *Staged) {
	if err := s.Commit(m.t.Context()); err != nil {
		m.t.Error(err)
	}
}

func TestInterruptedCommitGoesOn(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	m.write(s, []byte("hello"), 0)
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.StallHeader})
	m.server.ResetCounts()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.Commit(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted commit: %v", err)
		}
	})
	m.until(emulator.OpPutObject, 1)
	cancel()
	group.Wait()
	release()
	m.commit(s) // joins it
	s.Release()
	m.checkRequests("both commits", counts{emulator.OpPutObject: 1})
	m.checkObject("a", []byte("hello"))
	m.checkStageEmpty()
}

func TestReleaseDuringAnUploadLeavesNothingStaged(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	m.write(s, []byte("hello"), 0)
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.StallHeader})
	m.server.ResetCounts()
	s.Release()
	m.until(emulator.OpPutObject, 1)
	release()
	m.checkStageEmpty()
	m.checkObject("a", []byte("hello"))
}

func TestFailedUploadIsKeptAndTriedAgainBehind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size int64
		op   string
	}{
		"put":      {1000, emulator.OpPutObject},
		"begin":    {17 << 20, emulator.OpCreateMultipartUpload},
		"part":     {17 << 20, emulator.OpUploadPart},
		"complete": {17 << 20, emulator.OpCompleteMultipartUpload},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mount(t, Options{})
			want := random(name, c.size)
			s := m.overwrite("a")
			m.write(s, want, 0)
			repair := m.server.Faults().Add(emulator.Fault{Operation: c.op, Effect: emulator.Refuse, Code: "AccessDenied"})
			if err := s.Commit(t.Context()); remote.CodeOf(err) != remote.AccessDenied {
				t.Errorf("commit: %v, want AccessDenied", err)
			}
			m.checkStaged(s, want)
			m.server.ResetCounts()
			s.Release()
			m.until(c.op, 1)
			again := m.edit("a") // still the same bytes
			m.checkStaged(again, want)
			repair()
			again.Release()
			m.checkStageEmpty()
			m.checkObject("a", want)
			m.checkNoUploads()
			if e := m.stat("a"); e.Staged != nil || e.Object.ETag != m.head("a").ETag {
				t.Errorf("shown afterwards: %+v", e)
			}
		})
	}
}

// The answer to Initiate is left out: without it nobody knows the upload's id,
// and one that a listing shows may be another client's.
func TestLostAnswersLeaveNoUploadBehind(t *testing.T) {
	t.Parallel()
	for _, op := range []string{emulator.OpUploadPart, emulator.OpCompleteMultipartUpload} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			m := mount(t, Options{})
			want := random(op, 20<<20)
			m.server.Faults().Add(emulator.Fault{Operation: op, Count: 1, Effect: emulator.Lose})
			m.create("a", want)
			m.checkObject("a", want)
			m.checkNoUploads()
		})
	}
}

func TestWritersAndCommittersAtOnceEndInTheBucket(t *testing.T) {
	m := mount(t, Options{})
	const stripe, stripes = 64 << 10, 12
	m.put("a", random("base", stripe*stripes))
	want := make([]byte, stripe*stripes)
	s := m.edit("a")
	var group sync.WaitGroup
	for i := range int64(stripes) {
		group.Go(func() {
			mine := random(string(rune('a'+i)), stripe)
			copy(want[i*stripe:], mine)
			for part := range int64(4) {
				const quarter = stripe / 4
				if _, err := s.WriteAt(mine[part*quarter:][:quarter], i*stripe+part*quarter); err != nil {
					t.Error(err)
				}
				if (i+part)%5 == 0 {
					m.commitIn(s)
				}
				got := make([]byte, quarter)
				if _, err := s.ReadAt(t.Context(), got, i*stripe+part*quarter); err != nil || !slices.Equal(got, mine[part*quarter:][:quarter]) {
					t.Errorf("stripe %d does not read its own write, %v", i, err)
				}
			}
		})
	}
	group.Wait()
	m.commit(s)
	m.checkStaged(s, want)
	s.Release()
	m.checkObject("a", want)
	m.checkStageEmpty()
}

func TestWritersOfTheSameBytesReserveThemOnce(t *testing.T) {
	m := mount(t, Options{})
	s := m.overwrite("a")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range int64(50) {
				if _, err := s.WriteAt(make([]byte, 4096), i*4096); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	m.commit(s)
	s.Release()
	m.checkStageEmpty()
}
