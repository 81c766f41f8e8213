package test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// TestReaddirIsStableWhileNamesComeAndGo: what is there all the time is seen
// exactly once, and nothing twice.
func TestReaddirIsStableWhileNamesComeAndGo(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		const names = 100
		var stays []string
		for i := range names {
			stays = append(stays, fmt.Sprintf("%03d-stays", i))
			s.put(t, "dir/"+stays[i], "")
			s.put(t, fmt.Sprintf("dir/%03d-goes", i), "")
		}
		m := s.mount(t, root())
		reader, changer := m.start(t), m.start(t)
		d, err := reader.open("dir", unix.O_RDONLY|unix.O_DIRECTORY)
		ok(t, err)
		var seen []string
		for i := 0; ; i++ {
			some, _, err := d.dirents(1000)
			ok(t, err)
			if len(some) == 0 {
				break
			}
			seen = append(seen, some...)
			for _, n := range []int{i, names - 1 - i} { // one that was read, and one that was not
				old, added := fmt.Sprintf("dir/%03d-goes", n), fmt.Sprintf("dir/%03d-comes", n)
				if n%3 == 0 {
					ok(t, changer.rename(old, added))
					continue
				}
				ok(t, changer.unlink(old))
				ok(t, changer.writeFile(added, ""))
			}
		}
		once := map[string]bool{}
		for _, name := range seen {
			if once[name] {
				t.Errorf("%s is seen twice", name)
			}
			once[name] = true
		}
		for _, name := range append(stays, ".", "..") {
			if !once[name] {
				t.Errorf("%s is not seen", name)
			}
		}
		again, err := reader.readDir("dir")
		ok(t, err)
		if got := strings.Count(strings.Join(again, " "), "stays"); got != names || len(again) != 2*names {
			t.Errorf("read anew it has %d names, %d of which stayed, want %d and %d", len(again), got, 2*names, names)
		}
	})
}

// TestSeekdirFindsItsPlace: a position that readdir(3) gave is one of the same
// names while the directory is open, whatever is added or removed.
func TestSeekdirFindsItsPlace(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		const names = 150
		for i := range names {
			s.put(t, fmt.Sprintf("dir/name-%03d", i), "")
		}
		m := s.mount(t, root())
		p := m.start(t)
		d, err := p.open("dir", unix.O_RDONLY|unix.O_DIRECTORY)
		ok(t, err)
		var all []string
		var ends []int64
		for {
			some, at, err := d.dirents(2000)
			ok(t, err)
			if len(some) == 0 {
				break
			}
			all, ends = append(all, some...), append(ends, at...)
		}
		if len(all) != names+2 || !slices.IsSorted(all) {
			t.Fatalf("read %q", all)
		}
		for i := range names / 2 {
			ok(t, p.unlink(fmt.Sprintf("dir/name-%03d", 2*i)))
			ok(t, p.writeFile(fmt.Sprintf("dir/added-%03d", i), ""))
		}
		for _, i := range rand.Perm(len(all)) {
			_, err := d.seek(ends[i], unix.SEEK_SET)
			ok(t, err)
			some, _, err := d.dirents(200)
			ok(t, err)
			if want := all[i+1:]; len(some) > len(want) || len(some) == 0 && len(want) > 0 || !slices.Equal(some, want[:len(some)]) {
				t.Fatalf("after %s comes %q, want the beginning of %q", all[i], some, want)
			}
		}
		_, err = d.seek(0, unix.SEEK_SET) // rewinddir(3) sees what is there now
		ok(t, err)
		some, _, err := d.dirents(200)
		ok(t, err)
		if !slices.Contains(some, "added-000") {
			t.Errorf("at the start there is %q", some)
		}
	})
}

// TestLargeDirectoryKeepsTheBoundOfMemory, and is listed whole.
func TestLargeDirectoryKeepsTheBoundOfMemory(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	const names, memory, most = 100_000, 64 << 20, 160 << 20
	s, server := startEmulator(t, emulator.Options{})
	for i := range names {
		ok(t, server.Generate(emulator.Generated{Bucket: s.bucket, Key: fmt.Sprintf("dir/a-name-of-some-length-%06d", i), Size: int64(i), Seed: 1}))
	}
	s.binary = releaseBinary(t)
	m := s.mount(t, root(), fmt.Sprint("--memory=", memory))
	got := requests(t, s, func() {
		m.shell().run(t, time.Minute, `cd dir
			ls -lU | awk 'NR > 1 { if ($5 != substr($9, length($9)-5)+0) exit 1; n++ } END { exit n != 100000 }'
			test $(find . -type f | sort -u | wc -l) = 100000`)
	})
	if got[opHead] > 0 || got[opList] > 2*names/1000 {
		t.Errorf("requests %v, want the pages of the listing", got)
	}
	m.shell().run(t, time.Minute, `cd dir; test -s a-name-of-some-length-099999
		echo new > a-name-of-some-length-0500000; rm a-name-of-some-length-050001
		test $(ls -U | grep -c -e -05000) = 10; test $(ls -U | wc -l) = 100000`)
	if peak := peakMemory(t, m.process.Process.Pid); peak > most {
		t.Errorf("peak memory is %d MiB, want at most %d", peak>>20, most>>20)
	} else {
		t.Logf("peak memory %d MiB", peak>>20)
	}
	if now := m.status(t).Memory; now.Blocks+now.Bodies+now.Names > memory {
		t.Errorf("%+v is over the limit", now)
	}
}

// TestDeepAndWideTrees are made, copied, compared, moved and removed.
func TestDeepAndWideTrees(t *testing.T) {
	t.Parallel()
	onBoth(t, 2*time.Minute, `umask 022
deep=$(printf 'd/%.0s' $(seq 100))
mkdir -p "deep/$deep"; echo bottom > "deep/$deep/file"
mkdir wide; cd wide; mkdir $(seq 100); for i in $(seq 1 7 100); do echo $i > $i/file; done; cd ..
cp -a deep copy; cp -a wide copies
diff -r deep copy; diff -r wide copies
mv copy moved; mv copies wide/moved
test "$(cat "moved/$deep/file")" = bottom
test $(find . | wc -l) = $((1 + 2 * 102 + 2 * (1 + 100 + 15)))
rm -r moved wide/moved
find . -exec touch -d @1700000000 {} +`)
}
