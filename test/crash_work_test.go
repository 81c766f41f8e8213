package test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// crashWork is what a program does until the daemon dies at a step: each kind
// of change once.
type crashWork struct {
	ledgerProgram
	k     *site
	large int // bytes of a large file
}

const (
	multipartSize = 17 << 20 // bytes of a file that is uploaded in parts
	singleSize    = 1 << 20
	isRegular     = unix.S_IFREG
)

// newCrashWork stores what the program finds in the bucket.
func newCrashWork(t testing.TB, k *site, large int) *crashWork {
	t.Helper()
	w := &crashWork{k: k, large: large}
	w.writeBack = slices.Contains(k.options, "--write-back")
	for _, key := range []string{"rewritten", "appended", "moved", "over", "dir/", "dir/a", "dir/sub/b", "removed", "open", "mode", "empty/", "contested", "origin", "shared", "shared-moved"} {
		content := ""
		if !strings.HasSuffix(key, "/") {
			content = w.tagged(5000)
		}
		k.s.put(t, key, content)
		if strings.HasPrefix(key, "shared") {
			acl, err := remote.ParseACL(k.s.toBob())
			ok(t, err)
			ok(t, k.s.client.ApplyACL(contextOf(t), k.s.path(key), acl))
		}
	}
	k.s.put(t, "edited", w.tagged(w.large))
	w.restart(k.s.objects(t, ""))
	return w
}

// work does everything, until the daemon dies.
func (w *crashWork) work(t testing.TB, m *mounted) {
	t.Helper()
	heal := w.k.server.Faults().Add(emulator.Fault{Operation: opPut, KeyPrefix: "failed", Effect: emulator.Refuse, Code: "AccessDenied"})
	defer heal()
	w.mayFail = !w.writeBack
	if m.hasEnded() {
		return
	}
	w.start(t, m)
	defer w.p.end()
	w.contents()
	w.names()
	w.attributes()
	w.conflicts()
}

// check compares the bucket and the stage directory with what the program
// knows.
func (w *crashWork) check(t testing.TB) {
	t.Helper()
	bucket := w.k.s.objects(t, "")
	w.ledger.check(t, bucket)
	w.k.checkKept(t, bucket, &w.ledger)
	w.k.checkUploads(t, 1)
	has := func(dir string) bool {
		for key := range bucket {
			if strings.HasPrefix(key, dir) {
				return true
			}
		}
		return false
	}
	if has("dir/") && has("dir-2/") {
		t.Error("a renamed directory is at both its names")
	}
	toBob := access{bob: true}
	w.k.s.checkAccess(t, "after all", "shared", toBob)
	for _, key := range []string{"shared-moved", "shared-moved-2"} { // after a rename that was cut short, both
		if _, ok := bucket[key]; ok {
			w.k.s.checkAccess(t, "after all", key, toBob)
		}
	}
}

// contents makes and changes files.
func (w *crashWork) contents() {
	w.mkdir("new")
	w.write("new/small", w.tagged(100))
	w.write("new/medium", w.tagged(50<<10))
	w.write("created", w.tagged(w.large))
	h := w.open("edited", unix.O_WRONLY)
	h.pwrite(w.tagged(4000), w.large/2)
	h.punch(w.large/2+1000, 50_000)
	h.close()
	w.write("rewritten", w.tagged(3000))
	w.write("rewritten", w.tagged(60<<10))
	w.write("shared", w.tagged(2000))
	h = w.open("appended", unix.O_WRONLY|unix.O_APPEND)
	h.pwrite(w.tagged(1000), 0)
	h.close()
	w.copy("origin", "copied", "")
	w.copy("origin", "appended", w.tagged(700))
	w.copy("rewritten", "over", "")
	h = w.open("synced", unix.O_WRONLY|unix.O_CREAT)
	for range 2 {
		h.pwrite(w.tagged(40<<10), 0)
		h.fsync()
	}
	h.close()
	h = w.open("log", unix.O_WRONLY|unix.O_CREAT)
	for range 50 { // records that hold its content, until the journal is written anew
		h.pwrite(w.tagged(30<<10), 0)
		h.fsync()
	}
	h.close()
	w.write("failed", w.tagged(2000))
	w.write("failed-medium", w.tagged(50<<10))
}

// names moves and removes.
func (w *crashWork) names() {
	w.rename("moved", "moved-2")
	w.rename("shared-moved", "shared-moved-2")
	h := w.open("dirty", unix.O_WRONLY|unix.O_CREAT)
	h.pwrite(w.tagged(3000), 0)
	w.rename("dirty", "dirty-2")
	h.pwrite(w.tagged(500), 1000)
	h.close()
	w.write("temporary", w.tagged(700))
	w.chmod("temporary", isRegular|0o604)
	w.chmod("temporary", isRegular|0o640)
	w.rename("temporary", "over")
	w.rename("failed", "failed-2")
	w.renameDir("dir", "dir-2")
	w.renameDir("new", "new-2")
	w.unlink("removed")
	if !w.finished {
		read, err := w.p.open("open", unix.O_RDONLY)
		if w.went("open open", err) {
			w.unlink("open")
			if !w.finished {
				w.went("close open", read.close())
			}
		}
	}
	h = w.open("brief", unix.O_WRONLY|unix.O_CREAT)
	h.pwrite(w.tagged(300), 0)
	w.unlink("brief")
	h.close()
	w.write("short-lived", w.tagged(300))
	w.unlink("short-lived")
	w.rmdir("empty")
	w.mkdir("brief-dir")
	w.rmdir("brief-dir")
}

func (w *crashWork) attributes() {
	w.chmod("mode", isRegular|0o600)
	w.chmod("mode", isRegular|0o644)
	w.chmod("appended", isRegular|0o600)
	w.write("appended", w.tagged(600)) // takes that along
	w.chmod("shared", isRegular|0o600)
	w.chmod("moved-2", isRegular|0o640)
	w.symlink("target", "link")
}

// conflicts lets another client come first.
func (w *crashWork) conflicts() {
	w.write("failed-late", w.tagged(800))
	w.awaitFailure("failed-late")
	w.contest(w.at("failed-late"), nil)
	h := w.open("contested", unix.O_RDWR)
	if h == nil {
		return
	}
	if _, err := h.file.readAll(); !w.went("read contested", err) {
		return
	}
	h.pwrite(w.tagged(100), 200)
	w.contest(h.f, h)
}

// awaitFailure waits in write-back mode for the first try of an upload, which is
// no longer late when it is the first.
func (w *crashWork) awaitFailure(name string) {
	if !w.writeBack || w.finished {
		return
	}
	eventually(w.t, "the upload of "+name+" fails", func() bool {
		return w.p.m.hasEnded() || strings.Contains(w.p.m.log.String(), `upload \"`+name+`\"`)
	})
}

// contest lets another client write under the name of f, of which h has a
// change that is not closed; nil: it is closed. Ours has to be beside it then.
func (w *crashWork) contest(f *ledgerFile, h *ledgerHandle) {
	if w.finished {
		return
	}
	name, theirs := f.name, fileState{content: w.tagged(900)}
	up, err := w.k.s.client.Begin(contextOf(w.t), w.k.s.path(name), remote.PutOptions{}) // the fault is of PUTs
	ok(w.t, err)
	part, err := up.Part(contextOf(w.t), 1, strings.NewReader(theirs.content), int64(len(theirs.content)))
	ok(w.t, err)
	_, err = up.Complete(contextOf(w.t), []remote.Part{part})
	ok(w.t, err)
	other := &ledgerFile{name: name, shown: theirs, names: []string{name}, versions: []fileState{theirs}}
	w.files = append(w.files, other)
	f.name = name + conflicted
	if f.names = []string{f.name}; h == nil {
		return
	}
	// What it started from is gone, so that after a crash the local copy may be
	// all there is.
	f.names = append(f.names, gone)
	f.versions, f.mixed = []fileState{f.shown}, nil
	err = h.file.close()
	switch isStale := errors.Is(err, unix.ESTALE); {
	case isStale:
		err = nil
	case err == nil && !w.writeBack:
		w.t.Errorf("close of %s, which was changed elsewhere: no error", name)
	}
	w.went("close "+name, err)
}
