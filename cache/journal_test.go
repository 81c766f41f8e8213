package cache

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

func testSource() Source { return Source{Endpoint: "https://example", Region: "r", Bucket: "b"} }

// journalIn opens the journal of dir, and closes it at the end.
func journalIn(t *testing.T, dir string) (*Journal, []error) {
	t.Helper()
	root := mustRoot(t, dir)
	j, problems, err := openJournal(root, testSource())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() }) // the test may have closed it
	return j, problems
}

func aRecord(id string, state State) Record {
	return Record{ID: id, State: state, Key: []byte("key \xff of " + id), Local: []extent{{1, 2}, {5, 9}}}
}

func appendAll(t *testing.T, j *Journal, records ...Record) {
	t.Helper()
	for _, r := range records {
		if _, err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
}

// states lists "ID STATE" of what is live.
func states(j *Journal) []string {
	var all []string
	for _, r := range j.Live() {
		all = append(all, r.ID+" "+string(r.State))
	}
	return all
}

func TestJournalKeepsTheLastRecordOfEachFile(t *testing.T) {
	dir := t.TempDir()
	j, _ := journalIn(t, dir)
	appendAll(t, j, aRecord("a", StateOpen), aRecord("b", StateReady), aRecord("a", StateFailed), aRecord("c", StateOpen), aRecord("b", StateDone))
	again, problems := journalIn(t, dir)
	if got, want := states(again), []string{"a failed", "c open"}; !slices.Equal(got, want) || len(problems) != 0 {
		t.Errorf("got %q %v, want %q", got, problems, want)
	}
	if r := again.Live()[0]; string(r.Key) != "key \xff of a" || !slices.Equal(r.Local, []extent{{1, 2}, {5, 9}}) || r.Seq != 3 {
		t.Errorf("record %+v", r)
	}
}

// TestTornJournalLosesOnlyTheTornRecord cuts the log at every byte. It has
// little of the space set aside, and appends after some of the cuts only: with
// the race detector a journal with all of it takes 20 ms to open.
func TestTornJournalLosesOnlyTheTornRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _ := journalIn(t, dir)
	var ends []int64
	for i := range 4 {
		appendAll(t, j, aRecord(fmt.Sprint(i), StateReady))
		ends = append(ends, j.log.end)
	}
	whole, err := os.ReadFile(dir + "/journal")
	if err != nil {
		t.Fatal(err)
	}
	torn := t.TempDir()
	for cut := ends[0]; cut <= ends[3]; cut++ {
		image := slices.Clone(whole[:ends[3]+4096])
		clear(image[cut:])
		if err := os.WriteFile(torn+"/journal", image, 0o600); err != nil {
			t.Fatal(err)
		}
		j, problems := journalIn(t, torn)
		want := 0
		for _, end := range ends {
			if end <= cut {
				want++
			}
		}
		if got := len(j.Live()); got != want || len(problems) != 0 {
			t.Fatalf("cut at %d: %d records, %v, want %d", cut, got, problems, want)
		}
		if cut%8 == 0 {
			appendAll(t, j, aRecord("next", StateReady))
			if again, _ := journalIn(t, torn); !slices.Contains(states(again), "next ready") {
				t.Fatalf("cut at %d: what was appended afterwards is lost: %q", cut, states(again))
			}
		}
		j.Close()
	}
}

// TestDamageLosesOnlyTheRecordItHits, and says so even of the last.
func TestDamageLosesOnlyTheRecordItHits(t *testing.T) {
	for hit, want := range map[int][]string{1: {"a ready", "c ready"}, 2: {"a ready", "b ready"}} {
		dir := t.TempDir()
		j, _ := journalIn(t, dir)
		var starts []int64
		for _, id := range []string{"a", "b", "c"} {
			starts = append(starts, j.log.end)
			appendAll(t, j, aRecord(id, StateReady))
		}
		image, err := os.ReadFile(dir + "/journal")
		if err != nil {
			t.Fatal(err)
		}
		image[starts[hit]+40] ^= 1
		if err := os.WriteFile(dir+"/journal", image, 0o600); err != nil {
			t.Fatal(err)
		}
		again, problems := journalIn(t, dir)
		if got := states(again); !slices.Equal(got, want) || len(problems) != 2 {
			t.Errorf("record %d damaged: got %q %v, want %q, a problem, and where its copy is", hit, got, problems, want)
		}
	}
}

func TestForeignJournalIsRefusedAndLeftAlone(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"another version": {`"version":2`, `"version":3`, "version 3"},
		"another bucket":  {`"bucket":"b"`, `"bucket":"x"`, "belongs to bucket x"},
		"no journal":      {"NCJ1", "XXXX", "no header"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j, _ := journalIn(t, dir)
			appendAll(t, j, aRecord("a", StateReady))
			image, err := os.ReadFile(dir + "/journal")
			if err != nil {
				t.Fatal(err)
			}
			payload, _ := frameAt(image)
			changed := appendFrame(nil, []byte(strings.Replace(string(payload), c.from, c.to, 1)))
			if c.from == "NCJ1" {
				changed = []byte(strings.ReplaceAll(string(image), c.from, c.to))
			}
			copy(image, changed)
			if err := os.WriteFile(dir+"/journal", image, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := openJournal(mustRoot(t, dir), testSource()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if now, err := os.ReadFile(dir + "/journal"); err != nil || !slices.Equal(now[:len(changed)], image[:len(changed)]) {
				t.Errorf("it was changed: %v", err)
			}
		})
	}
}

func TestJournalStaysSmall(t *testing.T) {
	dir := t.TempDir()
	j, _ := journalIn(t, dir)
	appendAll(t, j, aRecord("kept", StateFailed))
	for i := range 20_000 {
		appendAll(t, j, aRecord(fmt.Sprint(i), StateReady), aRecord(fmt.Sprint(i), StateDone))
		j.Forget(fmt.Sprint(i))
	}
	info, err := os.Stat(dir + "/journal")
	if err != nil || info.Size() > 2*compactAbove+2*spaceStep {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	again, problems := journalIn(t, dir)
	if got, want := states(again), []string{"kept failed"}; !slices.Equal(got, want) || len(problems) != 0 {
		t.Errorf("got %q %v, want %q", got, problems, want)
	}
}

func TestManySyncsShareOne(t *testing.T) {
	j, _ := journalIn(t, t.TempDir())
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			seq, err := j.Append(aRecord(fmt.Sprint(i), StateReady))
			if err == nil {
				err = j.Sync(seq)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if j.synced.Load() != 50 {
		t.Errorf("synced up to %d, want 50", j.synced.Load())
	}
}
