package test

import (
	"encoding/json"
	"os/exec"
	"path"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote/emulator/emulatortest"
)

// rclone runs rclone as another client of the bucket, which it knows as
// "s3:BUCKET", and returns what it printed on standard output.
func (s *store) rclone(t testing.TB, args ...string) string {
	t.Helper()
	requirePrograms(t, "rclone")
	s.syncAll(t)
	alice := emulatortest.Alice()
	cmd := exec.CommandContext(t.Context(), "timeout", append([]string{"60", "rclone"}, args...)...)
	cmd.Env = []string{"HOME=/nonexistent", "PATH=/usr/bin:/bin",
		"RCLONE_CONFIG_S3_TYPE=s3", "RCLONE_CONFIG_S3_PROVIDER=Other", "RCLONE_CONFIG_S3_REGION=kr-standard",
		"RCLONE_CONFIG_S3_ENDPOINT=" + s.endpoint, "RCLONE_CONFIG_S3_LIST_VERSION=1",
		"RCLONE_CONFIG_S3_ACCESS_KEY_ID=" + alice.AccessKey, "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY=" + alice.SecretKey}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("rclone %q: %v\n%s", args, err, complaints.String())
	}
	return string(out)
}

// rcloneFiles lists the files below dir of the bucket as mtime and name.
func (s *store) rcloneFiles(t testing.TB, dir string) string {
	t.Helper()
	var files []struct {
		Path    string
		ModTime time.Time
	}
	out := s.rclone(t, "lsjson", "-R", "--files-only", "s3:"+path.Join(s.bucket, dir))
	if err := json.Unmarshal([]byte(out), &files); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, f := range files {
		lines.WriteString(f.ModTime.UTC().Format(time.RFC3339Nano) + " " + f.Path + "\n")
	}
	return lines.String()
}

// rcloneTree makes files with times, as a local directory and a mount.
const rcloneTree = `
	mkdir -p tree/directory
	cd tree
	for i in $(seq 20); do echo "file $i" > directory/f$i; touch -d "2001-02-03 04:05:06.$((i * 12345678))" directory/f$i; done
	head -c 7000000 /dev/zero > large; touch -d 2010-11-12T13:14:15 large
	echo "odd name" > "a name & + % é 한글.txt"
	touch -d 2003-04-05T06:07:08.9 a*`

func TestRcloneReadsTimes(t *testing.T) {
	requirePrograms(t, "rclone")
	forEachServer(t, func(t *testing.T, s *store) {
		local := localDir(t)
		for _, sh := range []shell{local, s.mount(t, root()).shell()} {
			sh.run(t, time.Minute, rcloneTree)
		}
		s.rclone(t, "check", "--download", local.path("tree"), "s3:"+s.bucket+"/tree")
		s.rclone(t, "copy", local.path("tree"), "s3:"+s.bucket+"/copied")
		sameLines(t, "what rclone reads", s.rcloneFiles(t, "tree"), s.rcloneFiles(t, "copied"))
	})
}

func TestReadsTimesThatRcloneWrote(t *testing.T) {
	requirePrograms(t, "rclone")
	forEachServer(t, func(t *testing.T, s *store) {
		local := localDir(t)
		local.run(t, time.Minute, rcloneTree)
		s.rclone(t, "copy", local.dir, "s3:"+s.bucket)
		const look = `find . -type f -printf '%s %T@ %P\n'; find . -type f -print0 | xargs -0r sha256sum`
		m := s.mount(t, root(), "--attrs=exact")
		sameLines(t, "what ncloudfs reads", m.sh(t, look), local.run(t, time.Minute, look))
	})
}
