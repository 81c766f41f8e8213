package cache

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// kernel writes to the data file of a new file, as the kernel does.
type kernel struct {
	*Staged
	m  *mounted
	fd int
}

func (m *mounted) direct(n Name) kernel {
	m.t.Helper()
	s := m.overwrite(n)
	fd, ok := s.BeginDirect()
	if !ok {
		m.t.Fatal("the kernel may not write by itself")
	}
	return kernel{s, m, fd}
}

func (k kernel) pwrite(p []byte, off int64) {
	k.m.t.Helper()
	if n, err := unix.Pwrite(k.fd, p, off); n != len(p) || err != nil {
		k.m.t.Fatalf("write: %d, %v", n, err)
	}
}

func (k kernel) close() {
	k.EndDirect()
	k.Release()
}

func TestWritesOfTheKernelAreSeenByClose(t *testing.T) {
	m := mount(t, Options{KernelWrites: true})
	k := m.direct("a")
	if !k.Untouched() {
		t.Error("not untouched before the first write")
	}
	m.server.ResetCounts()
	content := random("a", 100_000)
	k.pwrite(content, 0)
	if e := k.Entry(); e.Object.Size != 100_000 || time.Since(e.Attr.Mtime) > time.Minute || k.Untouched() {
		t.Errorf("shown: %d bytes of %v", e.Object.Size, e.Attr.Mtime)
	}
	m.commit(k.Staged)
	m.checkRequests("the first close", counts{emulator.OpPutObject: 1})
	m.commit(k.Staged)
	m.checkRequests("a close with nothing new", counts{})
	for i := range 100 { // the same size, at once
		content[i*7]++
		k.pwrite(content[i*7:][:1], int64(i*7))
		m.commit(k.Staged)
		m.checkObject("a", content)
	}
	m.checkStaged(k.Staged, content)
	k.pwrite([]byte("more"), 100_000) // not seen before the end
	k.close()
	eventually(t, "what was written last is there", func() bool { return m.head("a").Size == 100_004 })
	m.checkObject("a", append(content, "more"...))
	m.checkStageEmpty()
}

func TestPartsThatTheKernelHasWrittenAreSentAheadAndVerified(t *testing.T) {
	m := mount(t, Options{KernelWrites: true})
	k, content := m.direct("a"), aheadContent()
	m.server.ResetCounts()
	k.pwrite(content, 0)
	m.untilSent(k.Staged, aheadTestParts-1)
	copy(content[9<<20:], "changed")
	k.pwrite([]byte("changed"), 9<<20)
	m.commit(k.Staged)
	m.checkRequests("in all", counts{emulator.OpCreateMultipartUpload: 1, emulator.OpUploadPart: aheadTestParts + 1,
		emulator.OpCompleteMultipartUpload: 1, emulator.OpHeadObject: 1})
	m.checkObject("a", content)
	k.close()
	m.checkNoUploads()
	m.checkStageEmpty()
}

// TestSparseFileOfTheKernelIsNotSentAhead, nor does it count for more than it
// takes.
func TestSparseFileOfTheKernelIsNotSentAhead(t *testing.T) {
	m := mount(t, Options{KernelWrites: true})
	k := m.direct("a")
	defer k.close()
	m.server.ResetCounts()
	content := make([]byte, aheadTestSize)
	copy(content[10<<20:], "middle")
	copy(content[aheadTestSize-3:], "end")
	k.pwrite([]byte("middle"), 10<<20)
	k.pwrite([]byte("end"), aheadTestSize-3)
	k.followDirect()
	if used := k.Entry().Staged.local.Bytes(); used > 1<<20 {
		t.Errorf("%d bytes are held", used)
	}
	m.checkRequests("before the close", counts{})
	m.commit(k.Staged)
	m.checkObject("a", content)
}

// TestCutOfAPromiseThatTheKernelWritesToKeepsThePromise, though its data file is
// the kernel's and cannot be replaced.
func TestCutOfAPromiseThatTheKernelWritesToKeepsThePromise(t *testing.T) {
	for name, size := range map[string]int64{"inline": 1000, "in a data file": 100_000} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{KernelWrites: true})
			k, want := m.direct("a"), random("a", size)
			k.pwrite(want, 0)
			repair := m.refusedCommit(k.Staged)
			if err := k.Truncate(10); err != nil {
				t.Fatal(err)
			}
			k.pwrite(bytes.Repeat([]byte("x"), 50), 0)
			m.checkStaged(k.Staged, bytes.Repeat([]byte("x"), 50))
			repair()
			m.crash()
			eventually(t, "the promise is in the bucket", func() bool { return m.head("a").ETag != "" })
			m.checkObject("a", want)
		})
	}
}

func TestKernelWritesOnlyWhatItAloneKnows(t *testing.T) {
	refused := func(m *mounted, s *Staged) {
		m.t.Helper()
		if _, ok := s.BeginDirect(); ok {
			m.t.Error("the kernel may write by itself")
		}
		s.Release()
	}
	m := mount(t, Options{KernelWrites: true})
	m.put("base", []byte("bytes of the bucket show through"))
	refused(m, m.edit("base"))
	first := m.overwrite("two writers")
	refused(m, m.overwrite("two writers"))
	first.Release()
	written := m.overwrite("written")
	m.write(written, []byte("x"), 0)
	refused(m, written)
	refused(m, m.overwriteWith("set-user-ID", 0o104755))
	limited := mount(t, Options{KernelWrites: true, StageSize: 1 << 30}) // which only we can keep
	refused(limited, limited.overwrite("a"))
}

func (m *mounted) overwriteWith(n Name, mode uint32) *Staged {
	s := m.overwrite(n)
	s.SetAttr(func(a *Attr) { a.Mode = mode })
	return s
}

// TestWriterThatOutlivesItsMountDoesNotChangeWhatTheNextUploads: the kernel lets
// it go on.
func TestWriterThatOutlivesItsMountDoesNotChangeWhatTheNextUploads(t *testing.T) {
	m := mount(t, Options{KernelWrites: true})
	k, want := m.direct("a"), random("a", 100_000)
	k.pwrite(want, 0)
	m.refusedCommit(k.Staged)
	stage := copyStage(t, m.stage.root)
	files, err := dataFiles(stage + "/" + filepath.Base(m.stage.root.Name()))
	noError(t, err)
	writer, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	noError(t, err)
	defer writer.Close()
	m.Cache = m.open(Options{StageDir: stage})
	_, err = writer.WriteAt([]byte("torn"), 50_000)
	noError(t, err)
	m.server.Faults().Clear()
	m.sync()
	m.checkObject("a", want)
}

// TestEmptiedPromiseIsNotReplacedByHalfAFile, in write-back mode, while the kernel
// writes.
func TestEmptiedPromiseIsNotReplacedByHalfAFile(t *testing.T) {
	m := mountBehind(t, Options{KernelWrites: true})
	release := m.hold("a")
	k, want := m.direct("a"), random("a", 100_000)
	k.pwrite(want, 0)
	noError(t, k.Save(t.Context()))
	noError(t, k.Truncate(0))
	k.pwrite([]byte("half"), 0)
	if k.owes() {
		t.Error("half a file is to be uploaded")
	}
	release()
	m.crashBehind()
	m.sync()
	m.checkObject("a", want)
}

func TestAppendGoesToTheEndThatTheKernelHasWritten(t *testing.T) {
	m := mount(t, Options{KernelWrites: true})
	k := m.direct("a")
	defer k.close()
	k.pwrite([]byte("kernel"), 0)
	for _, by := range []string{" and", " us"} {
		if n, err := k.Append([]byte(by)); n != len(by) || err != nil {
			t.Fatal(n, err)
		}
	}
	m.commit(k.Staged)
	m.checkObject("a", []byte("kernel and us"))
}
