package cache

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"ncloudfs/remote/emulator"
)

type counts = map[string]int

func (m *mounted) checkKind(n Name, want Kind) {
	m.t.Helper()
	if got := m.stat(n).Kind; got != want {
		m.t.Errorf("%q is of kind %d, want %d", n, got, want)
	}
}

func TestStatListsASmallDirectoryOnce(t *testing.T) {
	m := mount(t, Options{})
	m.put("d/a", []byte("1"))
	m.put("d/b", []byte("2"))
	m.put("d/sub/x", []byte("3"))
	m.server.ResetCounts()
	m.checkKind("d/a", File)
	m.checkRequests("the first name", counts{emulator.OpListObjects: 1})
	m.checkKind("d/b", File)
	m.checkKind("d/sub", Dir)
	m.checkKind("d/absent", Absent)
	m.checkKind("", Dir)
	if _, ok := m.Peek("d/a"); !ok {
		t.Error("Peek knows nothing")
	}
	m.checkRequests("further names", counts{})
	if o := m.stat("d/a").Object; o.Size != 1 || o.ETag != m.head("d/a").ETag || o.Path.Key != "d/a" {
		t.Errorf("got %+v", o)
	}
}

func TestStatAsksForSingleNamesOfALargeDirectory(t *testing.T) {
	m := mount(t, Options{})
	m.fill("big/", 1001)
	m.put("big/sub/x", nil)
	m.server.ResetCounts()
	m.checkKind("big/00007", File)
	m.checkRequests("the first name", counts{emulator.OpListObjects: 2, emulator.OpHeadObject: 1})
	m.checkKind("big/00007", File)
	m.checkRequests("the same again", counts{})
	for _, c := range []struct {
		name Name
		kind Kind
	}{{"big/00008", File}, {"big/sub", Dir}, {"big/absent", Absent}} {
		m.checkKind(c.name, c.kind)
		m.checkRequests(string(c.name), counts{emulator.OpListObjects: 1, emulator.OpHeadObject: 1})
		m.checkKind(c.name, c.kind)
		m.checkRequests(string(c.name)+" again", counts{})
	}
	if e := m.stat("big/00008"); !e.Known {
		t.Error("the HEAD's metadata is not kept")
	}
}

// fill puts n empty objects, as another client.
func (m *mounted) fill(prefix string, n int) {
	m.t.Helper()
	var group sync.WaitGroup
	work := make(chan int)
	for range 8 {
		group.Go(func() {
			for i := range work {
				m.put(fmt.Sprintf("%s%05d", prefix, i), nil)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	group.Wait()
}

func TestReadDirSendsItsPagesOnce(t *testing.T) {
	m := mount(t, Options{})
	m.fill("big/", 2500)
	m.server.ResetCounts()
	for i, want := range []counts{{emulator.OpListObjects: 3}, {}} {
		all, err := m.ReadDir(t.Context(), "big")
		if err != nil || len(all) != 2500 || all[2499].Base != "02499" {
			t.Fatalf("%d names, %v", len(all), err)
		}
		m.checkRequests(fmt.Sprint("reading, time ", i+1), want)
	}
	m.checkKind("big/01234", File)
	m.checkKind("big/absent", Absent)
	m.checkRequests("names of it", counts{})
}

func TestWhatOthersChangeIsSeenAfterTheTTL(t *testing.T) {
	t.Parallel()
	m := mount(t, Options{MetadataTTL: 200 * time.Millisecond})
	m.checkKind("d/a", Absent)
	m.put("d/a", []byte("x"))
	eventually(t, "d/a is seen", func() bool { return m.stat("d/a").Kind == File })
	if err := m.other.Delete(t.Context(), m.path("d/a")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "d/a is gone", func() bool { return m.stat("d/a").Kind == Absent })
}

// TestFileWhoseNameIsJustBeingTakenIsNotThere: not an empty one that nobody made.
func TestFileWhoseNameIsJustBeingTakenIsNotThere(t *testing.T) {
	m := mount(t, Options{})
	m.checkKind("d/a", Absent)
	m.dirs.Pin("d/a") // as a rename does before it moves the file in the stage
	m.checkKind("d/a", Absent)
	s := m.overwrite("d/a")
	defer s.Release()
	if e := m.stat("d/a"); e.Staged != s {
		t.Errorf("got %+v, want the staged file", e)
	}
}

func TestForgetAsksTheBucketAgain(t *testing.T) {
	m := mount(t, Options{})
	m.checkKind("d/a", Absent)
	m.put("d/a", []byte("x"))
	m.checkKind("d/a", Absent)
	m.Forget("d/a")
	m.checkKind("d/a", File)
}

func TestFailedListingIsNeverKept(t *testing.T) {
	m := mount(t, Options{})
	m.fill("big/", 1500)
	remove := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpListObjects, Skip: 1, Effect: emulator.Refuse, Code: "AccessDenied"})
	if all, err := m.ReadDir(t.Context(), "big"); err == nil {
		t.Fatalf("%d names though the second page failed", len(all))
	}
	remove()
	all, err := m.ReadDir(t.Context(), "big")
	if err != nil || len(all) != 1500 {
		t.Fatalf("%d names, %v", len(all), err)
	}
}

func TestWaitForAListingEndsWithItsCaller(t *testing.T) {
	m := mount(t, Options{})
	m.put("d/a", nil)
	m.server.ResetCounts()
	release := m.server.Faults().Add(emulator.Fault{Operation: emulator.OpListObjects, Effect: emulator.StallHeader})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := m.Stat(ctx, "d/a"); err == nil {
			t.Error("answered without a listing")
		}
	})
	m.until(emulator.OpListObjects, 1)
	cancel()
	group.Wait()
	release()
	eventually(t, "the listing went on", func() bool { _, ok := m.Peek("d/a"); return ok })
	m.checkKind("d/a", File)
	m.checkRequests("both together", counts{emulator.OpListObjects: 1})
}

func TestObjectBesideADirectoryGivesWay(t *testing.T) {
	m := mount(t, Options{})
	m.put("a", []byte("x"))
	m.put("a/b", []byte("y"))
	m.checkKind("a", Dir)
	m.fill("big/", 1001)
	m.put("big/a", nil)
	m.put("big/a/b", nil)
	m.checkKind("big/a", Dir)
}
