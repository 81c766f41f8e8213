package cache

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ncloudfs/remote"
)

const testTTL = time.Minute

func newTestDirectories() *directories { return newDirectories("bucket", "", testTTL, 1<<20) }

// listingNow is a listing of d that begins and is learned now.
func listingNow(names ...string) *listing {
	b := newListingBuilder("d", "d/", time.Now(), testTTL)
	b.add(page(true, names...))
	return b.finish()
}

func fileEntry(base string) Entry {
	return Entry{Kind: File, Object: remote.Object{Path: remote.Path{Bucket: "bucket", Key: "d/" + base}, ETag: remote.ETag("e-" + base)}}
}

// checkLookup compares what is known of d/base; want "?" is nothing.
func checkLookup(t *testing.T, d *directories, base, want string) {
	t.Helper()
	e, ok, _ := d.Lookup(Name("d").Join(base))
	got := map[Kind]string{Absent: "absent", File: "file", Dir: "dir"}[e.Kind]
	if !ok {
		got = "?"
	}
	if got != want {
		t.Errorf("d/%s: got %s, want %s", base, got, want)
	}
}

func checkList(t *testing.T, d *directories, want ...string) {
	t.Helper()
	l, records, ok := d.List("d")
	if !ok {
		t.Errorf("no listing of d")
		return
	}
	v := &DirView{c: &Cache{dirs: d, known: newKnown(0)}, name: "d", listing: l, extra: records}
	v.sort()
	var got []string
	for _, e := range v.all() {
		got = append(got, e.Base)
	}
	if !slices.Equal(got, want) {
		t.Errorf("d holds %q, want %q", got, want)
	}
}

func TestListingAnswersForEveryNameUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDirectories()
		checkLookup(t, d, "a", "?")
		d.Learn("d", listingNow("a", "sub/"))
		for range 2 {
			checkLookup(t, d, "a", "file")
			checkLookup(t, d, "sub", "dir")
			checkLookup(t, d, "b", "absent")
			checkList(t, d, "a", "sub")
			time.Sleep(testTTL - time.Second)
			d.Learn("d", listingNow("a", "sub/"))
		}
		time.Sleep(testTTL)
		checkLookup(t, d, "a", "?")
		checkLookup(t, d, "b", "?")
		if _, _, ok := d.List("d"); ok {
			t.Error("listed after the listing expired")
		}
	})
}

func TestUnorderedListingSaysNothingOfOtherNames(t *testing.T) {
	d := newTestDirectories()
	b := newListingBuilder("d", "d/", time.Now(), testTTL)
	b.add(page(false, "b", "a"))
	d.Learn("d", b.finish())
	checkLookup(t, d, "a", "file")
	checkLookup(t, d, "c", "?")
	if _, _, isLarge := d.Lookup("d/c"); !isLarge {
		t.Error("the directory would be listed again for each absent name")
	}
}

func TestLocalChangeOutlivesAListingBegunBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDirectories()
		before := listingNow("removed", "kept")
		time.Sleep(time.Second)
		d.Changed("d/made", fileEntry("made"))
		d.Changed("d/removed", Entry{Kind: Absent})
		d.Learn("d", before)
		checkLookup(t, d, "made", "file")
		checkLookup(t, d, "removed", "absent")
		checkList(t, d, "kept", "made")
	})
}

func TestLocalChangeIsBelievedForTheTTLAgainstALaterListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDirectories()
		d.Changed("d/made", fileEntry("made"))
		d.Changed("d/removed", Entry{Kind: Absent})
		d.Changed("d/written", fileEntry("written"))
		d.Changed("d/sub", Entry{Kind: Dir})
		for range 2 {
			time.Sleep(testTTL/2 - time.Second)
			later := listingNow("removed", "written")
			later.entries[1].etag = "stale"
			d.Learn("d", later)
			checkLookup(t, d, "made", "file")
			checkLookup(t, d, "removed", "absent")
			checkLookup(t, d, "sub", "dir")
			checkList(t, d, "made", "sub", "written")
			if e, _, _ := d.Lookup("d/written"); e.Object.ETag != "e-written" {
				t.Errorf("written: got version %s", e.Object.ETag)
			}
		}
		time.Sleep(2 * time.Second) // the changes are older than the TTL, the listing is not
		checkLookup(t, d, "made", "absent")
		checkLookup(t, d, "removed", "file")
		checkList(t, d, "removed", "written")
	})
}

func TestLocalChangeIsDroppedWhenALaterListingAgrees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDirectories()
		d.Changed("d/made", fileEntry("made"))
		d.Changed("d/removed", Entry{Kind: Absent})
		time.Sleep(time.Second)
		d.Learn("d", listingNow("made"))
		time.Sleep(time.Second)
		d.Learn("d", listingNow("removed")) // somebody else turned it round
		checkLookup(t, d, "made", "absent")
		checkLookup(t, d, "removed", "file")
		checkList(t, d, "removed")
	})
}

func TestListingBegunEarlierDoesNotReplaceANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDirectories()
		slow := listingNow()
		time.Sleep(time.Second)
		d.Changed("d/made", fileEntry("made"))
		time.Sleep(time.Second)
		d.Learn("d", listingNow("made")) // agrees: the record may go
		d.Learn("d", slow)
		checkLookup(t, d, "made", "file")
	})
}

func TestAnswerAskedBeforeALocalChangeIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDirectories()
		asked := time.Now()
		time.Sleep(time.Second)
		d.Changed("d/made", fileEntry("made"))
		d.Seen("d/made", Entry{Kind: Absent}, asked)
		checkLookup(t, d, "made", "file")
		time.Sleep(time.Second)
		d.Seen("d/made", Entry{Kind: Absent}, time.Now())
		checkLookup(t, d, "made", "absent")
	})
}

func TestAnswerAboutOneNameExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDirectories()
		d.Large("d")
		d.Seen("d/a", fileEntry("a"), time.Now())
		checkLookup(t, d, "a", "file")
		checkLookup(t, d, "b", "?")
		time.Sleep(testTTL)
		checkLookup(t, d, "a", "?")
		if _, _, isLarge := d.Lookup("d/a"); !isLarge {
			t.Error("forgot that the directory is large")
		}
	})
}

func TestPinnedNameIsBelievedUntilItIsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestDirectories()
		d.Pin("d/new")
		time.Sleep(3 * testTTL)
		d.Learn("d", listingNow())
		d.Seen("d/new", Entry{Kind: Absent}, time.Now())
		d.Forget("d/new")
		d.ForgetTree("")
		checkLookup(t, d, "new", "file")
		d.Learn("d", listingNow())
		checkList(t, d, "new")
		d.Changed("d/new", Entry{Kind: Absent})
		checkLookup(t, d, "new", "absent")
		time.Sleep(testTTL)
		checkLookup(t, d, "new", "?")
	})
}

func TestUnpinForgetsThePin(t *testing.T) {
	d := newTestDirectories()
	d.Pin("d/new")
	d.Unpin("d/new")
	checkLookup(t, d, "new", "?")
}

func TestNewDirectoryIsKnownToBeEmpty(t *testing.T) {
	d := newTestDirectories()
	d.Created("d")
	checkLookup(t, d, "a", "absent")
	checkList(t, d)
	if e, ok, _ := d.Lookup("d"); !ok || e.Kind != Dir {
		t.Errorf("d itself: %+v %v", e, ok)
	}
}

func TestForgetAsksAgain(t *testing.T) {
	d := newTestDirectories()
	d.Learn("d", listingNow("a", "b"))
	d.Changed("d/a", Entry{Kind: Absent})
	d.Forget("d/a")
	checkLookup(t, d, "a", "?")
	checkLookup(t, d, "b", "?")
	d.Learn("d", listingNow("a"))
	d.Learn("d/sub", listingNow("x"))
	d.Learn("dd", listingNow("y"))
	d.ForgetTree("d")
	checkLookup(t, d, "a", "?")
	if _, _, ok := d.List("d/sub"); ok {
		t.Error("d/sub is known after d was forgotten")
	}
	if _, _, ok := d.List("dd"); !ok {
		t.Error("dd was forgotten with d")
	}
}

func TestAnswerAskedForBeforeSomethingWasForgottenIsNotKept(t *testing.T) {
	for name, forget := range map[string]func(*directories){
		"name":                    func(d *directories) { d.Forget("d/a") },
		"tree":                    func(d *directories) { d.ForgetTree("d") },
		"tree above":              func(d *directories) { d.ForgetTree("") },
		"name, long ago by count": func(d *directories) { d.Forget("d/a"); forgetOthers(d) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newTestDirectories()
				asked, l := time.Now(), listingNow("b")
				time.Sleep(time.Nanosecond)
				forget(d)
				d.Learn("d", l)
				checkLookup(t, d, "b", "?")
				d.Seen("d/a", fileEntry("a"), asked)
				checkLookup(t, d, "a", "?")
				d.Seen("d/a", fileEntry("a"), time.Now())
				checkLookup(t, d, "a", "file")
				d.Learn("d", listingNow("a", "b"))
				checkList(t, d, "a", "b")
			})
		})
	}
}

func forgetOthers(d *directories) {
	for i := range 2 * forgottenKept {
		d.Forget(Name(fmt.Sprintf("elsewhere/%d", i)))
	}
}

func TestDirectoriesKeepTheirBound(t *testing.T) {
	d := newDirectories("bucket", "", testTTL, 60*recordCost)
	d.Pin("first/pinned")
	d.Changed("first/clean", fileEntry("clean"))
	for i := range 50 {
		d.Learn(Name(fmt.Sprint("d", i)), listingNow("a", "b", "c", "d"))
		if d.cost > d.limit {
			t.Fatalf("after %d directories: %d bytes of %d", i, d.cost, d.limit)
		}
		if _, _, ok := d.List("d0"); !ok { // asked for all the time
			t.Fatalf("after %d directories: the one in use is gone", i)
		}
	}
	if _, _, ok := d.List("d1"); ok {
		t.Error("the directory used longest ago is still there")
	}
	if _, _, ok := d.List("d49"); !ok {
		t.Error("the last directory is not there")
	}
	if e, ok, _ := d.Lookup("first/pinned"); !ok || e.Kind != File {
		t.Error("a name that is only here was forgotten")
	}
	if _, ok, _ := d.Lookup("first/clean"); ok {
		t.Error("what the bucket knows was kept with the pinned name")
	}
	checkCost(t, d)
}

func TestListingBeyondTheBoundIsNotKept(t *testing.T) {
	d := newDirectories("bucket", "", testTTL, 3*recordCost)
	d.Learn("small", listingNow("a"))
	d.Learn("d", listingNow("a", "b"))
	d.Learn("d", listingNow(strings.Split("abcdefghijklmnopqrst", "")...))
	runtime.GC() // which takes what nobody reads
	if _, _, ok := d.List("d"); ok || d.cost > d.limit {
		t.Errorf("%d bytes of %d, kept %v", d.cost, d.limit, ok)
	}
	if _, _, ok := d.List("small"); !ok {
		t.Error("another directory was forgotten for it")
	}
	checkCost(t, d)
}

func checkCost(t *testing.T, d *directories) {
	t.Helper()
	var want int64
	for _, name := range d.known.Keys() {
		dir, _ := d.known.Peek(name)
		want += dir.cost()
	}
	if d.cost != want {
		t.Errorf("cost %d, want %d", d.cost, want)
	}
}

// TestListingThatIsTooLargeIsKnownWhileItIsRead, and takes none of the bound.
func TestListingThatIsTooLargeIsKnownWhileItIsRead(t *testing.T) {
	d := newDirectories("bucket", "", testTTL, 2*recordCost)
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	l := listingNow(names...)
	d.Learn("d", l)
	checkLookup(t, d, "5", "file")
	checkLookup(t, d, "none", "absent")
	if bytes := d.Bytes(); bytes > 2*recordCost {
		t.Errorf("it takes %d bytes", bytes)
	}
	d.Changed("d/5", Entry{Kind: Absent})
	checkLookup(t, d, "5", "absent")
	runtime.KeepAlive(l)
	runtime.GC()
	checkLookup(t, d, "6", "?")
	checkLookup(t, d, "5", "absent")

	l = listingNow(names...)
	d.Learn("d", l)
	d.Forget("d/7")
	checkLookup(t, d, "7", "?")
	runtime.KeepAlive(l)
}
