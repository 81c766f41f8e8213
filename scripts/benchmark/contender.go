package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Contenders, in the order of the table's columns.
const (
	ncloudfs  = "ncloudfs"
	writeBack = "write-back"
	client    = "client" // package remote without a file system: the limit
	s3fs      = "s3fs"
	rclone    = "rclone"
	disk      = "ext4" // a directory of --work, whatever its file system is
)

func contenderNames() []string {
	return []string{ncloudfs, writeBack, client, s3fs, rclone, disk}
}

// mountTime is how long a mount may take to appear.
const mountTime = 30 * time.Second

// mountCommand returns the command that serves the bucket on dir in the
// foreground and keeps what it needs below private.
func (b *bench) mountCommand(contender string, w *workload, endpoint, dir, private string) (childOptions, error) {
	switch contender {
	case ncloudfs, writeBack:
		args := []string{b.program, "mount", "-f", "--endpoint", endpoint, "--region", region, "--log-level", "warn",
			"--stage-dir", filepath.Join(private, "stage")}
		if contender == writeBack {
			args = append(args, "--write-back")
		}
		args = append(args, w.options...)
		if w.keeps {
			args = append(args, "--cache-dir", filepath.Join(private, "cache"))
		}
		return childOptions{args: append(args, bucket, dir),
			env: []string{"HOME=" + private, "NCLOUD_ACCESS_KEY=" + accessKey, "NCLOUD_SECRET_KEY=" + secretKey}}, nil
	case s3fs:
		keys := filepath.Join(private, "passwd")
		options := []string{"url=" + endpoint, "passwd_file=" + keys, "tmpdir=" + private, "use_path_request_style", "endpoint=" + region}
		if w.keeps {
			options = append(options, "use_cache="+filepath.Join(private, "cache"))
		}
		return childOptions{args: []string{"s3fs", bucket, dir, "-f", "-o", strings.Join(options, ",")}},
			os.WriteFile(keys, []byte(accessKey+":"+secretKey), 0o600)
	default:
		return childOptions{
			args: []string{"rclone", "mount", "s3:" + bucket, dir, "--vfs-cache-mode", "full", "--vfs-write-back", "0s",
				"--cache-dir", filepath.Join(private, "cache")},
			env: []string{"HOME=" + private, "RCLONE_CONFIG_S3_TYPE=s3", "RCLONE_CONFIG_S3_PROVIDER=Other",
				"RCLONE_CONFIG_S3_REGION=" + region, "RCLONE_CONFIG_S3_ENDPOINT=" + endpoint, "RCLONE_CONFIG_S3_LIST_VERSION=1",
				"RCLONE_CONFIG_S3_ACCESS_KEY_ID=" + accessKey, "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY=" + secretKey}}, nil
	}
}

// mount is a mounted bucket.
type mount struct {
	*child
	dir string
}

// startMount returns once the mount answers.
func startMount(ctx context.Context, o childOptions, dir string) (*mount, error) {
	c, err := startChild(ctx, o)
	if err != nil {
		return nil, err
	}
	m := &mount{c, dir}
	for end := time.Now().Add(mountTime); ; {
		mounted, err := isMounted(dir)
		if mounted {
			return m, nil
		}
		select {
		case <-c.ended:
			err = errors.Join(err, c.wait(0), fmt.Errorf("%s ended without a mount", o.args[0]))
		case <-time.After(10 * time.Millisecond):
			if err == nil && time.Now().After(end) {
				err = fmt.Errorf("no mount within %v", mountTime)
			}
		}
		if err != nil {
			return nil, errors.Join(err, m.stop())
		}
	}
}

// stop unmounts; the process's own errors at its end are of no interest.
func (m *mount) stop() error {
	err := m.child.stop()
	if mounted, _ := isMounted(m.dir); mounted {
		err = errors.Join(err, unix.Unmount(m.dir, unix.MNT_DETACH))
	}
	return err
}

func isMounted(dir string) (bool, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if fields := strings.Fields(s.Text()); len(fields) > 4 && fields[4] == dir {
			return true, nil
		}
	}
	return false, s.Err()
}
