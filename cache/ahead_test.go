package cache

import (
	"bytes"
	"maps"
	"sync"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

const (
	aheadTestSize  = 40 << 20
	aheadTestParts = aheadTestSize / (8 << 20)
)

// aheadContent returns the content of a file of the tests.
func aheadContent() []byte { return bytes.Clone(aheadBytes()) }

var aheadBytes = sync.OnceValue(func() []byte { return random("ahead", aheadTestSize) }) // takes its time

// growing is a new file of five parts, of which all but the last are in the
// bucket, though it is not closed.
func (m *mounted) growing(n Name) (s *Staged, content []byte) {
	m.t.Helper()
	s, content = m.overwrite(n), aheadContent()
	m.server.ResetCounts()
	for off := int64(0); off < aheadTestSize; off += 1 << 20 {
		m.write(s, content[off:off+1<<20], off)
	}
	m.untilSent(s, aheadTestParts-1)
	return s, content
}

// untilSent waits until the service has so many parts of an open file.
func (m *mounted) untilSent(s *Staged, parts int) {
	m.t.Helper()
	eventually(m.t, "parts are sent ahead", func() bool {
		u := s.unfinished()
		return u != nil && len(u.Parts) == parts
	})
}

func TestPartsOfALargeFileAreSentBeforeItsClose(t *testing.T) {
	m := mount(t, Options{})
	s, content := m.growing("a")
	m.checkRequests("before the close", counts{emulator.OpCreateMultipartUpload: 1, emulator.OpUploadPart: aheadTestParts - 1})
	m.commit(s)
	m.checkRequests("close", counts{emulator.OpUploadPart: 1, emulator.OpCompleteMultipartUpload: 1, emulator.OpHeadObject: 1})
	m.checkObject("a", content)
	shown := s.Entry()
	s.Release()
	if o := m.head("a"); !shown.Attr.Mtime.IsZero() || !shown.Object.ModTime.Equal(o.ModTime) {
		t.Errorf("the time of the open file is %v, or %v; that of the object %v", shown.Attr.Mtime, shown.Object.ModTime, o.ModTime)
	}
	m.server.ResetCounts()
	m.checkStageEmpty()
	m.checkNoUploads()
}

func TestPartThatIsWrittenToAfterItWasSentIsSentAgain(t *testing.T) {
	for name, change := range map[string]func(*mounted, *Staged, []byte){
		"written to": func(m *mounted, s *Staged, content []byte) {
			p := random("changed", 3<<20)
			m.write(s, p, 20<<20)
			copy(content[20<<20:], p)
		},
		"cut off and filled with zeros": func(m *mounted, s *Staged, content []byte) {
			for _, size := range []int64{30 << 20, aheadTestSize} {
				if err := s.Truncate(size); err != nil {
					m.t.Fatal(err)
				}
			}
			clear(content[30<<20:])
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			s, content := m.growing("a")
			defer s.Release()
			change(m, s, content)
			m.commit(s)
			m.checkRequests("in all", counts{emulator.OpCreateMultipartUpload: 1, emulator.OpUploadPart: aheadTestParts + 1,
				emulator.OpCompleteMultipartUpload: 1, emulator.OpHeadObject: 1})
			m.checkObject("a", content)
			m.checkStaged(s, content)
		})
	}
}

// TestFileWrittenAtRandomIsNotSentAhead: at most two parts are sent in vain.
func TestFileWrittenAtRandomIsNotSentAhead(t *testing.T) {
	m := mount(t, Options{})
	s, content := m.growing("a")
	defer s.Release()
	for _, off := range []int64{1 << 20, 9 << 20, 17 << 20} {
		m.write(s, content[:100], off)
		copy(content[off:], content[:100])
	}
	more := aheadContent()
	m.write(s, more, aheadTestSize)
	m.commit(s)
	m.checkRequests("in all", counts{emulator.OpCreateMultipartUpload: 1, emulator.OpUploadPart: 2*aheadTestParts + 3,
		emulator.OpCompleteMultipartUpload: 1, emulator.OpHeadObject: 1})
	m.checkObject("a", append(content, more...))
}

// TestAttributesThatAreSetWhileAFileIsSentAheadAreKept: one copy more.
func TestAttributesThatAreSetWhileAFileIsSentAheadAreKept(t *testing.T) {
	when := time.Unix(1_600_000_000, 123_456_789)
	for name, change := range map[string]func(*Attr){
		"times": func(a *Attr) { a.Mtime, a.Atime = when, when },
		"mode":  func(a *Attr) { a.Mode, a.HasMode = 0o100640, true },
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			s, content := m.growing("a")
			s.SetAttr(change)
			m.commit(s)
			m.checkRequests("in all", counts{emulator.OpCreateMultipartUpload: 1, emulator.OpUploadPart: aheadTestParts,
				emulator.OpCompleteMultipartUpload: 1, emulator.OpCopyObject: 1})
			want := s.Entry()
			s.Release()
			if got := m.head("a"); !maps.Equal(got.Meta, want.Object.Meta) || !ParseAttr(got.Meta).Mtime.Equal(want.Attr.Mtime) {
				t.Errorf("metadata %v, want %v", got.Meta, want.Object.Meta)
			}
			m.checkObject("a", content)
			m.checkStageEmpty()
		})
	}
}

// TestACLAndTimesThatAreSetByPathAreKept though the upload began without them.
func TestACLAndTimesThatAreSetByPathAreKept(t *testing.T) {
	when := time.Unix(1_600_000_000, 0)
	m := mount(t, Options{})
	s, _ := m.growing("a")
	s.SetMeta(func(meta remote.Meta, _ *string) { meta[metaMtime] = formatTime(when) })
	noError(t, m.SetACL(t.Context(), "a", canned(t, remote.PublicRead)))
	m.commit(s)
	s.Release()
	if got := ParseAttr(m.head("a").Meta).Mtime; !got.Equal(when) {
		t.Errorf("mtime %v, want %v", got, when)
	}
	acl, err := m.ACL(t.Context(), "a")
	if err != nil || acl.Canned() != remote.PublicRead {
		t.Errorf("ACL %v, %v", acl, err)
	}
}

// TestFailureOfWhatIsSentAheadIsRepairedByTheClose: nobody hears of it.
func TestFailureOfWhatIsSentAheadIsRepairedByTheClose(t *testing.T) {
	for _, op := range []string{emulator.OpCreateMultipartUpload, emulator.OpUploadPart} {
		t.Run(op, func(t *testing.T) {
			m := mount(t, Options{})
			m.server.Faults().Add(emulator.Fault{Operation: op, Count: 1, Effect: emulator.Refuse, Code: "AccessDenied"})
			s, content := m.overwrite("a"), aheadContent()
			defer s.Release()
			m.write(s, content[:aheadTestSize-1], 0)
			m.until(op, 1)
			m.write(s, content[aheadTestSize-1:], aheadTestSize-1)
			m.commit(s)
			m.checkObject("a", content)
			m.checkNoUploads()
		})
	}
}

// TestUploadAheadThatNobodyNeedsIsAborted, whatever becomes of the file.
func TestUploadAheadThatNobodyNeedsIsAborted(t *testing.T) {
	for name, end := range map[string]func(*mounted, *Staged) (want []byte){
		"removed": func(m *mounted, s *Staged) []byte { m.remove("a"); return nil },
		"emptied": func(m *mounted, s *Staged) []byte {
			if err := s.Truncate(3); err != nil {
				m.t.Fatal(err)
			}
			m.commit(s)
			return aheadContent()[:3]
		},
		"renamed": func(m *mounted, s *Staged) []byte {
			m.rename("a", "b")
			m.commit(s)
			m.checkObject("b", aheadContent())
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			s, _ := m.growing("a")
			want := end(m, s)
			s.Release()
			m.checkObject("a", want)
			m.checkStageEmpty()
			m.checkNoUploads()
		})
	}
}

func TestUploadAheadOfACrash(t *testing.T) {
	t.Run("is aborted by the next mount when the file has become a small one", func(t *testing.T) {
		m := mount(t, Options{})
		s, content := m.growing("a")
		m.server.Faults().Add(emulator.Fault{Operation: emulator.OpAbortMultipartUpload, Effect: emulator.Refuse, Code: "AccessDenied"}) // it dies before that
		if err := s.Truncate(3); err != nil {
			t.Fatal(err)
		}
		m.commit(s)
		s.Release()
		m.until(emulator.OpAbortMultipartUpload, 1)
		m.crash()
		m.server.Faults().Clear()
		m.crash()
		m.checkNoUploads()
		m.checkObject("a", content[:3])
		m.checkStageEmpty()
	})
	t.Run("is aborted", func(t *testing.T) {
		m := mount(t, Options{})
		m.growing("a")
		m.crash()
		m.checkKind("a", Absent)
		m.checkNoUploads()
	})
	t.Run("is gone on with after a failed close", func(t *testing.T) {
		m := mount(t, Options{})
		s, content := m.growing("a")
		when := time.Unix(1_600_000_000, 0)
		s.SetAttr(func(a *Attr) { a.Mtime = when })
		repair := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpCompleteMultipartUpload, Effect: emulator.Refuse, Code: "AccessDenied"})
		if err := s.Commit(t.Context()); err == nil {
			t.Fatal("no error")
		}
		m.cancel() // what has died does not try again
		repair()
		m.server.ResetCounts()
		m.crash()
		eventually(t, "the file is in the bucket", func() bool { return ParseAttr(m.head("a").Meta).Mtime.Equal(when) })
		m.checkObject("a", content)
		if n := m.server.Counts()[emulator.OpUploadPart]; n > 1 {
			t.Errorf("%d parts were sent again", n)
		}
		m.checkNoUploads()
	})
}
