package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote/emulator"
)

// stressors are the programs of stress-ng that are about files, but for those of hard links.
func stressors() []string {
	return strings.Fields(`access chmod dentry dir dirdeep fallocate fcntl flock fstat getdent hdd iomix
		mmap open rename seek symlink sync-file touch utime xattr file-ioctl`)
}

// TestStressors runs each of them for NCLOUDFS_TEST_STRESS seconds.
func TestStressors(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "stress-ng")
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	seconds := numberOf(t, "NCLOUDFS_TEST_STRESS", 1)
	for _, name := range stressors() {
		t.Run(name, func(t *testing.T) {
			limit := time.Duration(seconds)*time.Second + time.Minute
			out := m.shell().run(t, limit, fmt.Sprintf(
				"stress-ng --%s 2 --timeout %ds --verify --temp-path . --hdd-bytes 16M --iomix-bytes 16M --fallocate-bytes 16M --seek-size 16M --mmap-file --mmap-bytes 4M --dentries 200 --sync-file-bytes 4M 2>&1",
				name, seconds))
			if strings.Contains(out, "skipped") || strings.Contains(out, "fail:") {
				t.Error(out)
			}
			left := m.shell().run(t, time.Minute, "ls -A")
			if left != "" {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

// TestFioReadsBackWhatItWrote, in order and at random places.
func TestFioReadsBackWhatItWrote(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "fio")
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	for _, how := range []string{"write", "randwrite", "rw", "randrw"} {
		for _, engine := range []string{"psync", "mmap"} {
			m.shell().run(t, 2*time.Minute, fmt.Sprintf(
				"fio --name=%s-%s --rw=%s --ioengine=%s --size=16M --bs=4k-64k --bs_unaligned=%d --verify=crc32c --verify_fatal=1 --do_verify=1 --end_fsync=1 --minimal >/dev/null",
				how, engine, how, engine, map[string]int{"psync": 1}[engine]))
		}
	}
	m.shell().run(t, time.Minute, "fio --name=clean --filename=write-psync.0.0 --rw=read --size=16M --bs=4k-64k --bs_unaligned=1 --verify=crc32c --verify_only --minimal >/dev/null 2>&1 || true; rm -f ./*")
}

func TestBonnieCompletes(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "bonnie++")
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	out := m.shell().run(t, 3*time.Minute, "mkdir b; bonnie++ -f -d b -u root -r 16 -s 32 -n 1:4096:0:4 -q 2>&1")
	if !strings.Contains(out, ",") {
		t.Errorf("it printed %q", out)
	}
}
