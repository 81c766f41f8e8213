package test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

const exactNames = 300

// foreign is an emulated bucket with exactNames objects below d, which another
// client stored a while ago, each with attributes of its own.
func foreign(t *testing.T) *store {
	t.Helper()
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	s.putMany(t, "d", exactNames, "text", func(i int) remote.PutOptions { return theirs(unix.S_IFREG|0o600, i) })
	time.Sleep(2100 * time.Millisecond) // in the second of its making, a version is doubtful
	return s
}

func theirs(mode, uid int) remote.PutOptions {
	return remote.PutOptions{Meta: remote.Meta{"mode": strconv.Itoa(mode), "uid": strconv.Itoa(uid), "gid": "7",
		"mtime": fmt.Sprintf("1000000000.%09d", uid), "atime": "1100000000.5", "ctime": "1200000000.25"}}
}

func TestExactAttributesAreOneHeadEach(t *testing.T) {
	s := foreign(t)
	stage := "--stage-dir=" + root().dir(t)
	m := s.mount(t, root(), "--attrs=exact", stage)
	expect(t, s, "names alone", counts{opList: 2, opHead: 1 /* of d */}, func() { m.sh(t, "ls d") })
	var first string
	expect(t, s, "the first ls -l", counts{opHead: exactNames}, func() { first = m.sh(t, "ls -ln d") })
	if got := strings.Count(first, "-rw------- 1 "); got != exactNames {
		t.Errorf("%d of %d names are exact:\n%.2000s", got, exactNames, first)
	}
	expect(t, s, "the second", counts{}, func() { equal(t, "the second", m.sh(t, "ls -ln d"), first) })
	m.unmount(t)

	m = s.mount(t, root(), "--attrs=exact", stage)
	m.sh(t, "stat d/0007") // lists both directories
	expect(t, s, "the next mount", counts{}, func() { equal(t, "the next mount", m.sh(t, "ls -ln d"), first) })
	m.unmount(t)
	m = s.mount(t, root(), stage)
	expect(t, s, "the next mount without", counts{opList: 2}, func() { equal(t, "without", m.sh(t, "ls -ln d"), first) })
}

func TestExactAttributesFollowOtherClients(t *testing.T) {
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--attrs=exact", "--metadata-ttl=200ms")
	for _, mode := range []int{0o644, 0o600, 0o755} { // the same bytes each time, so that only the date differs, or nothing
		s.putWith(t, "d/file", "text", theirs(unix.S_IFREG|mode, 7))
		awaitMode(t, m, "d/file", unix.S_IFREG|uint32(mode))
		s.putWith(t, "d/", "", theirs(unix.S_IFDIR|mode, 7))
		awaitMode(t, m, "d", unix.S_IFDIR|uint32(mode))
	}
}

func awaitMode(t testing.TB, m *mounted, name string, want uint32) {
	t.Helper()
	var st unix.Stat_t
	if !await(10*time.Second, func() bool { return unix.Lstat(m.path+"/"+name, &st) == nil && st.Mode == want }) {
		t.Errorf("%s has mode %o, want %o", name, st.Mode, want)
	}
}

func TestExactAttributesOfWhatOthersWrote(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		types := map[string]int{"file": unix.S_IFREG, "link": unix.S_IFLNK, "pipe": unix.S_IFIFO, "socket": unix.S_IFSOCK, "device": unix.S_IFCHR}
		for name, bits := range types {
			s.putWith(t, "d/"+name, map[string]string{"link": "target"}[name], theirs(bits|0o4751, 1234))
		}
		s.putWith(t, "d/sub/", "", theirs(unix.S_IFDIR|0o2750, 1234))
		m := s.mount(t, root(), "--attrs=exact")
		found := strings.Fields(m.sh(t, "find d -mindepth 1 -printf '%y:%f\n'"))
		slices.Sort(found)
		equal(t, "what find shows", strings.Join(found, " "), "c:device d:sub f:file l:link p:pipe s:socket")
		p := m.start(t)
		types["sub"] = unix.S_IFDIR
		for name, bits := range types {
			st, err := p.lstat("d/" + name)
			ok(t, err)
			mode := bits | 0o4751
			if name == "sub" {
				mode = bits | 0o2750
			}
			got := fmt.Sprintf("%o %d:%d %d.%09d %d.%09d %d.%09d", st.Mode, st.Uid, st.Gid,
				st.Mtim.Sec, st.Mtim.Nsec, st.Atim.Sec, st.Atim.Nsec, st.Ctim.Sec, st.Ctim.Nsec)
			equal(t, name, got, fmt.Sprintf("%o 1234:7 1000000000.000001234 1100000000.500000000 1200000000.250000000", mode))
		}
	})
}

func TestAttributesThatAreRemembered(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		stage := "--stage-dir=" + root().dir(t)
		m := s.mount(t, root(), stage)
		m.sh(t, `mkdir d; echo text > d/file; chmod 751 d/file; ln -s file d/link; mkfifo d/pipe; touch -d @1000000000.123456789 d/file; mv d/file d/moved; chmod 2750 d`)
		const show = `stat -c '%n %f %u %g %.9Y' d d/*; find d -printf '%y %f\n' | sort`
		want := m.sh(t, show)
		for range 2 {
			m.unmount(t)
			m = s.mount(t, root(), stage)
			equal(t, "the next mount", m.sh(t, show), want)
		}
	})
}

func TestAttributesOfAFileThatIsWrittenRideAlong(t *testing.T) {
	s, m := listedMount(t)
	p := m.start(t)
	expect(t, s, "a new file with attributes", counts{opPut: 1}, func() {
		f, err := p.open("new", unix.O_RDWR|unix.O_CREAT)
		ok(t, err)
		_, err = f.pwrite("text", 0)
		ok(t, err)
		ok(t, p.chown("new", 12, 34))
		ok(t, p.chmod("new", 0o600))
		ok(t, p.utimens("new", time.Unix(1, 0), time.Unix(2, 0)))
		ok(t, f.close())
	})
	equal(t, "the mode", s.head(t, "new").Meta["mode"], strconv.Itoa(unix.S_IFREG|0o600))
}

func TestAttributesOverTheCopyLimitAreRefused(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	ok(t, server.Generate(emulator.Generated{Bucket: s.bucket, Key: "large", Size: 5<<30 + 1}))
	before := s.head(t, "large")
	p := s.mount(t, root()).start(t)
	fails(t, "chmod", p.chmod("large", 0o600), unix.EFBIG)
	fails(t, "utimens", p.utimens("large", time.Unix(1, 0), time.Unix(2, 0)), unix.EFBIG)
	fails(t, "setxattr", p.setxattr("large", "user.a", "b"), unix.EFBIG)
	if now := s.head(t, "large"); now.ETag != before.ETag || len(now.Meta) != 0 {
		t.Errorf("it is %+v", now)
	}
}
