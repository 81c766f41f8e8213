package test

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// lateCase is a request that is carried out late, and what a program does
// before that.
type lateCase struct {
	operation string
	before    func(w *ledgerProgram, name string) // causes the request
	after     func(w *ledgerProgram, name string) // is newer
}

// lateCases are by the key that the request is about. What they rename to or
// from has that name with a suffix.
func lateCases() map[string]lateCase {
	write := func(size int) func(w *ledgerProgram, name string) {
		return func(w *ledgerProgram, name string) { w.write(name, w.tagged(size)) }
	}
	chmod := func(w *ledgerProgram, name string) { w.chmod(name, isRegular|0o600) }
	fetch := func(w *ledgerProgram, name string) { w.rename(name+"-source", name) }
	unlink := (*ledgerProgram).unlink
	again := func(w *ledgerProgram, name string) {
		w.unlink(name)
		w.write(name, w.tagged(2000))
	}
	away := func(w *ledgerProgram, name string) { w.rename(name, name+"-away") }
	return map[string]lateCase{
		"put-write":  {opPut, write(1000), write(500)},
		"put-large":  {opPut, write(100 << 10), write(50 << 10)},
		"put-again":  {opPut, write(1000), again},
		"put-unlink": {opPut, write(1000), unlink},
		"put-rename": {opPut, write(1000), away},
		"put-edit": {opPut, write(1000), func(w *ledgerProgram, name string) {
			h := w.open(name, unix.O_WRONLY)
			h.pwrite(w.tagged(10), 500)
			h.close()
		}},
		"put-over": {opPut, write(1000), func(w *ledgerProgram, name string) {
			w.write(name+"-temporary", w.tagged(700))
			w.rename(name+"-temporary", name)
		}},
		"complete-write": {emulator.OpCompleteMultipartUpload, write(multipartSize), write(1000)},
		"copy-write":     {opCopy, fetch, write(1000)},
		"copy-unlink":    {opCopy, fetch, unlink},
		"copy-away":      {opCopy, fetch, away},
		"chmod-write":    {opCopy, chmod, write(1000)},
		"chmod-fetch":    {opCopy, chmod, fetch},
		"delete-write":   {opDelete, unlink, write(1000)},
		"delete-fetch":   {opDelete, unlink, fetch},
	}
}

// TestAbandonedPutNeverOverwritesANewerVersion loses the answer to a request
// that is carried out a second later. Meanwhile a program goes on.
func TestAbandonedPutNeverOverwritesANewerVersion(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	forEachMode(t, func(t *testing.T, options ...string) {
		for name, isKilled := range map[string]bool{"same mount": false, "after a kill": true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				lateRequests(t, isKilled, options)
			})
		}
	})
}

func lateRequests(t *testing.T, isKilled bool, options []string) {
	k := newSite(t, append(options, "--late-time=2s")...)
	w := &ledgerProgram{}
	w.writeBack = slices.Contains(options, "--write-back")
	for key, c := range lateCases() {
		switch c.operation {
		case opCopy, opDelete:
			k.s.put(t, key+"-source", w.tagged(3000))
			k.s.put(t, key, w.tagged(3000))
		}
	}
	for _, key := range []string{"copy-write", "copy-unlink", "copy-away"} {
		ok(t, k.s.client.Delete(t.Context(), k.s.path(key)))
	}
	w.restart(k.s.objects(t, ""))
	m := k.mount(t)
	w.start(t, m)
	k.server.ResetCounts()
	for key, c := range lateCases() {
		k.server.Faults().Add(emulator.Fault{Operation: c.operation, Key: key, Effect: emulator.LoseLate, After: time.Second, Count: 1})
		c.before(w, key)
	}
	eventually(t, "the first requests are lost and made again", func() bool { return len(w.differences(k.s.objects(t, ""))) == 0 })
	for key, c := range lateCases() {
		c.after(w, key)
	}
	if isKilled {
		k.bury(t, m)
	} else if code := m.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	if isKilled {
		k.takeUp(t)
	}
	eventually(t, "the late requests are carried out", func() bool {
		n := 0
		for _, c := range k.server.Counts() {
			n += c
		}
		return n == len(k.server.Log())
	})
	k.takeUp(t)
	bucket := k.s.objects(t, "")
	w.check(t, bucket)
	k.checkKept(t, bucket, &w.ledger)
	k.checkUploads(t, 0)
}
