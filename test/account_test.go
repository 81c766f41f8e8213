package test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// mountAccount mounts all of the account's buckets.
func (s *store) mountAccount(t testing.TB, options ...string) *mounted {
	t.Helper()
	all := *s
	all.bucket = remote.Account
	return all.mount(t, root(), options...)
}

// in is a store of the same account's bucket.
func (s *store) in(bucket string) *store {
	other := *s
	other.bucket = bucket
	return &other
}

// TestAccountMount: each bucket is a directory, in which everything works as in
// a mount of it.
func TestAccountMount(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		other, made := s.bucket+"-b", s.bucket+"-c"
		ok(t, s.client.MakeBucket(contextOf(t), other, ""))
		b := s.in(other)
		if s.emulator == nil {
			t.Cleanup(func() { b.remove(t) })
		}
		s.put(t, "dir/file", "content")
		b.put(t, "elsewhere", "content of b")
		m := s.mountAccount(t)
		sh := func(script string) string {
			return m.shell().run(t, time.Minute, script, s.bucket, other, made)
		}
		listed := sh(`ls`)
		if !strings.Contains(listed, s.bucket+"\n") || !strings.Contains(listed, other+"\n") {
			t.Errorf("listed: %q", listed)
		}
		equal(t, "read", sh(`cat "$1/dir/file" "$2/elsewhere"`), "contentcontent of b")
		sh(`cd "$1"; echo new > new; echo more >> dir/file; mv dir moved; chmod 600 new; ln -s new link; mkdir -p a/b/c
			head -c 20M /dev/zero > large; ls -lR > /dev/null; find . > /dev/null; cp -r moved copy; rm -r copy; chmod 700 .; stat .`)
		m.ncloudfs(t, 0, "sync", m.path)
		equal(t, "moved/file", s.content(t, "moved/file"), "contentmore\n")
		equal(t, "size", sh(`stat -c %s "$1/large"`), "20971520\n")
		for _, key := range []string{"new", "link", "a/b/c/", "large"} {
			if !s.exists(t, key) {
				t.Errorf("%s is not in the bucket", key)
			}
		}
		equal(t, "moved between buckets", sh(`mv "$1/moved" "$2/there"; cat "$2/there/file"`), "contentmore\n")
		m.ncloudfs(t, 0, "sync", m.path)
		if s.exists(t, "moved/file") || b.content(t, "there/file") != "contentmore\n" {
			t.Error("not moved")
		}

		sh(`mkdir "$3"; echo x > "$3/file"; ls "$3"`)
		m.ncloudfs(t, 0, "sync", m.path)
		equal(t, "in the new bucket", s.in(made).content(t, "file"), "x\n")
		p := m.start(t)
		fails(t, "mkdir of a bucket that is there", p.mkdir(made), unix.EEXIST)
		_, err := p.getxattr(".", aclAttr)
		fails(t, "ACL of an account", err, unix.ENODATA)
		acl, err := p.getxattr(made, aclAttr)
		ok(t, err)
		equal(t, "ACL of a bucket", acl, remote.Private)
		everything := m.path
		if s.emulator == nil {
			everything += "/" + made // other tests have buckets of this account
		}
		m.ncloudfs(t, 0, "acl", "set", "-r", everything, "public-read")
		acl, err = p.getxattr(made, aclAttr)
		ok(t, err)
		equal(t, "ACL of a bucket after -r", acl, remote.Private)
		fails(t, "mkdir of a name that no bucket can have", p.mkdir("Not_A_Bucket"), unix.EINVAL)
		fails(t, "rmdir of a bucket with a file", p.rmdir(made), unix.ENOTEMPTY)
		fails(t, "a file beside the buckets", p.writeFile("file", "x"), unix.EPERM)
		fails(t, "a link beside the buckets", p.symlink("x", "link"), unix.EPERM)
		fails(t, "renaming a bucket", p.rename(made, made+"-renamed"), unix.EXDEV)
		fails(t, "renaming to another bucket", p.rename(made+"/file", other+"/file"), unix.EXDEV)
		fails(t, "renaming out of the buckets", p.rename(made+"/file", "file"), unix.EXDEV)
		sh(`rm "$3/file"; rmdir "$3"; ! ls "$3" 2>/dev/null`)
		m.unmount(t)
		if err := s.client.HeadBucket(contextOf(t), made); remote.CodeOf(err) != remote.NoSuchBucket {
			t.Errorf("the removed bucket: %v", err)
		}
	})
}

// TestAccountMountKeepsBuckets: with --no-bucket-changes or --read-only.
func TestAccountMountKeepsBuckets(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	s, _ := startEmulator(t, emulator.Options{MaxBuckets: 2})
	ok(t, s.client.MakeBucket(t.Context(), "empty", ""))
	p := s.mountAccount(t, "--no-bucket-changes").start(t)
	fails(t, "mkdir", p.mkdir("another"), unix.EPERM)
	fails(t, "rmdir", p.rmdir("empty"), unix.EPERM)
	ok(t, p.writeFile("empty/file", "content"))
	ok(t, p.mkdir("empty/dir"))
	ok(t, p.rmdir("empty/dir"))
	p = s.mountAccount(t, "--read-only").start(t)
	fails(t, "mkdir", p.mkdir("another"), unix.EROFS)
	fails(t, "rmdir", p.rmdir("empty"), unix.EROFS)
	p = s.mountAccount(t).start(t)
	fails(t, "mkdir of one too many", p.mkdir("another"), unix.EDQUOT)
}

// TestAccountMountWithoutTheRightToListBuckets enters them by name.
func TestAccountMountWithoutTheRightToListBuckets(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	for code, errno := range map[string]unix.Errno{"AccessDenied": unix.EACCES, "NotImplemented": unix.EOPNOTSUPP} {
		s, server := startEmulator(t, emulator.Options{})
		s.put(t, "dir/file", "content")
		server.Faults().Add(emulator.Fault{Operation: emulator.OpListBuckets, Effect: emulator.Refuse, Code: code})
		m := s.mountAccount(t)
		p := m.start(t)
		_, err := p.readDir("")
		fails(t, "listing buckets", err, errno)
		got, err := p.readFile("data/dir/file")
		ok(t, err)
		equal(t, "data/dir/file", got, "content")
		ok(t, p.writeFile("data/new", "new"))
		_, err = p.lstat("no-such-bucket")
		fails(t, "a bucket that is not there", err, unix.ENOENT)
		m.ncloudfs(t, 0, "sync", m.path)
		equal(t, "data/new", s.content(t, "new"), "new")
	}
}

// TestBucketsThatCannotBeMadeOrRemoved: others have the name, or there is
// something that no listing of objects shows.
func TestBucketsThatCannotBeMadeOrRemoved(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	s, server := startEmulator(t, emulator.Options{})
	bob, err := remote.New(remote.Options{Endpoint: s.endpoint, Region: "kr", Credentials: keysOf(emulatortest.Bob())})
	ok(t, err)
	ok(t, bob.MakeBucket(t.Context(), "taken", ""))
	m := s.mountAccount(t)
	p := m.start(t)
	_, err = p.readDir("")
	ok(t, err)
	fails(t, "mkdir of another account's bucket", p.mkdir("taken"), unix.EEXIST)
	eventually(t, "the log says what to do", func() bool { return strings.Contains(m.log.String(), "choose another") })
	ok(t, s.client.MakeBucket(t.Context(), "half", ""))
	heal := server.Faults().Add(emulator.Fault{Operation: emulator.OpDeleteBucket, Effect: emulator.Refuse, Code: "BucketNotEmpty"})
	fails(t, "rmdir of a bucket with an unfinished upload", p.rmdir("half"), unix.ENOTEMPTY)
	eventually(t, "the log names the command", func() bool { return strings.Contains(m.log.String(), "ncloudfs bucket uploads abort") })
	heal()
	ok(t, p.rmdir("half"))
}

// TestAccountMountTakesUpWhatIsLeft in several buckets by one that was killed.
func TestAccountMountTakesUpWhatIsLeft(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	s, server := startEmulator(t, emulator.Options{})
	ok(t, s.client.MakeBucket(t.Context(), "other", ""))
	m := s.mountAccount(t, "--write-back")
	p := m.start(t)
	repair := refuseUploads(server)
	for _, name := range []string{"data/a", "other/a"} {
		ok(t, p.writeFile(name, "content of "+name))
	}
	m.kill(t)
	p.end()
	m.ncloudfs(t, 0, "umount", m.path)
	if pending := m.pending(t); len(pending) != 2 || pending["data/a"].State == "" || pending["other/a"].State == "" {
		t.Errorf("pending: %v", pending)
	}
	repair()
	again := s.mountAccount(t, "--stage-dir="+m.stageDir(t))
	again.ncloudfs(t, 0, "sync", again.path)
	s.holds(t, "a", "content of data/a")
	s.in("other").holds(t, "a", "content of other/a")
}
