package test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	largeSize  = 2 << 30   // bytes
	mostMemory = 256 << 20 // bytes of a daemon with the default budget
)

// TestTwoGiBKeepTheBoundOfMemory copies a large file, compares it with what
// another client downloads, and reads it back, at last by several programs
// while others write.
func TestTwoGiBKeepTheBoundOfMemory(t *testing.T) {
	t.Parallel()
	s := cephStore(t)
	s.binary = releaseBinary(t)
	local := localDir(t)
	want := largeFile(t, local.path("large"))

	m := s.mount(t, root())
	measure := stopwatch(t, m)
	m.shell().run(t, 3*time.Minute, `cp "$1" large`, local.path("large"))
	measure("written")
	const read = `dd if=large iflag=nocache count=0 status=none; sha256sum < large`
	if got := m.shell().run(t, 3*time.Minute, read); got != want {
		t.Errorf("the same mount reads %s, want %s", got, want)
	}
	measure("read back")
	m.shell().run(t, 3*time.Minute, `
		for i in 0 1 2 3; do
			dd if="$1" of=piece$i bs=1M skip=$((i * 64)) count=64 status=none &
			dd if=large of=/dev/null bs=1M skip=$((i * 512)) count=128 iflag=nocache status=none &
		done
		wait
		cmp <(cat piece?) <(head -c 256M "$1")`, local.path("large"))
	measure("8 at a time")
	m.unmount(t)
	if got := s.s3cmd(t, `s3cmd --quiet get "$1" - | sha256sum`, "s3://"+s.bucket+"/large"); got != want {
		t.Errorf("s3cmd downloads %s, want %s", got, want)
	}
}

// stopwatch returns a function that logs how long a phase took and checks the
// daemon's peak memory so far.
func stopwatch(t testing.TB, m *mounted) func(phase string) {
	began := time.Now()
	return func(phase string) {
		t.Helper()
		peak := peakMemory(t, m.process.Process.Pid)
		t.Logf("%s: %.1f s, peak memory so far %d MiB", phase, time.Since(began).Seconds(), peak>>20)
		if peak > mostMemory {
			t.Errorf("%s: peak memory is %d MiB, want at most %d", phase, peak>>20, mostMemory>>20)
		}
		began = time.Now()
	}
}

// peakMemory is the most memory that a process has had resident, in bytes.
func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(line, &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// releaseBinary is the program as it is released: the race detector would
// take several times its memory.
func releaseBinary(t testing.TB) string {
	t.Helper()
	if !raceEnabled {
		return build(t)
	}
	path := filepath.Join(root().dir(t), "ncloudfs")
	if out, err := exec.Command("../scripts/build", path).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// largeFile makes a file of largeSize, no two pages of which are equal, and
// returns what sha256sum says of it.
func largeFile(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum, block := sha256.New(), []byte(random(1<<20))
	for off := 0; off < largeSize; off += len(block) {
		for page := 0; page < len(block); page += 4096 {
			copy(block[page:], strconv.Itoa(off+page))
		}
		sum.Write(block)
		if _, err := f.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil)) + "  -\n"
}
