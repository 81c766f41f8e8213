package test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

const aclAttr = "user.ncloud.acl"

// bobID is how grants name another member.
func (s *store) bobID() string {
	if s.emulator == nil {
		return "bob" // as scripts/ceph calls him
	}
	return emulatortest.Bob().ID
}

// mayRead reports whether who may read an object.
func (s *store) mayRead(t testing.TB, who remote.Credentials, key string) bool {
	t.Helper()
	c, err := remote.New(remote.Options{Endpoint: s.endpoint, Region: "kr", Credentials: who})
	ok(t, err)
	body, err := c.Get(contextOf(t), s.path(key), remote.GetOptions{})
	if err == nil {
		ok(t, body.Close())
	} else if remote.CodeOf(err) != remote.AccessDenied {
		t.Error(err)
	}
	return err == nil
}

// access is an ACL, and who may read what has it besides its owner.
type access struct {
	value          string // of the attribute
	bob, anonymous bool
}

// toBob is a grant to another member.
func (s *store) toBob() string { return fmt.Sprintf(`[{"id":%q,"permission":"READ"}]`, s.bobID()) }

// accesses are the canned ACLs and a grant to bob, by a name of theirs.
func (s *store) accesses() map[string]access {
	return map[string]access{
		"private":            {remote.Private, false, false},
		"public-read":        {remote.PublicRead, true, true},
		"public-read-write":  {remote.PublicReadWrite, true, true},
		"authenticated-read": {remote.AuthenticatedRead, true, false},
		"bob":                {s.toBob(), true, false},
	}
}

// keysOf are an account's.
func keysOf(a emulator.Account) remote.Credentials {
	return remote.Credentials{AccessKey: a.AccessKey, SecretKey: remote.Secret(a.SecretKey)}
}

// checkAccess looks whether just those read the object who may.
func (s *store) checkAccess(t testing.TB, what, key string, a access) {
	t.Helper()
	s.syncAll(t)
	if got := s.mayRead(t, keysOf(emulatortest.Bob()), key); got != a.bob {
		t.Errorf("%s: bob may read %s: %v, want %v", what, key, got, a.bob)
	}
	if got := s.mayRead(t, remote.Credentials{Anonymous: true}, key); got != a.anonymous {
		t.Errorf("%s: everybody may read %s: %v, want %v", what, key, got, a.anonymous)
	}
}

// setters are the ways to set the ACL of a file in the mount.
func (m *mounted) setters(t testing.TB) map[string]func(value, name string) {
	return map[string]func(value, name string){
		"setfattr": func(value, name string) { m.sh(t, fmt.Sprintf("setfattr -n %s -v '%s' %s", aclAttr, value, name)) },
		"command":  func(value, name string) { m.store.ncloudfs(t, 0, "acl", "set", m.path+"/"+name, value) },
	}
}

func TestACLsAreKept(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		m := s.mount(t, root())
		for name, a := range s.accesses() {
			for by, set := range m.setters(t) {
				dir := name + "-" + by
				m.sh(t, fmt.Sprintf("mkdir -p %[1]s/d && echo text > %[1]s/d/file", dir))
				set(a.value, dir+"/d/file")
				key := dir + "/d/file"
				s.checkAccess(t, "set by "+by, key, a)
				for _, step := range []struct{ script, now string }{
					{"echo new > d/file", ""},
					{"echo more >> d/file", ""},
					{"sed -i s/new/other/ d/file", ""},
					{"mv d/file d/moved", "d/moved"},
					{"mv d e", "e/moved"},
					{"chmod 640 e/moved", ""},
					{"touch -d 2001-02-03 e/moved", ""},
					{"truncate -s 3 e/moved", ""},
					{"setfattr -n user.color -v blue e/moved", ""},
					{"dd if=/dev/zero of=e/moved bs=1M count=17 status=none", ""}, // in parts
					{"echo small > e/moved", ""},
					{"echo x > e/x && mv e/x e/moved", ""}, // a save
				} {
					m.sh(t, "cd "+dir+" && "+step.script)
					key = dir + "/" + strings.TrimPrefix(cmp.Or(step.now, strings.TrimPrefix(key, dir+"/")), "/")
					s.checkAccess(t, dir+": "+step.script, key, a)
				}
			}
		}
	})
}

// TestACLsThatCannotBeRead cost that attribute, and nothing else.
func TestACLsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for code, errno := range map[string]unix.Errno{"AccessDenied": unix.EACCES, "NotImplemented": unix.EOPNOTSUPP} {
		s, server := startEmulator(t, emulator.Options{})
		s.putWith(t, "a", "text", remote.PutOptions{ACL: remote.PublicRead})
		server.Faults().Add(emulator.Fault{Operation: emulator.OpGetObjectACL, Effect: emulator.Refuse, Code: code})
		server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObjectACL, Effect: emulator.Refuse, Code: code})
		m := s.mount(t, root())
		p := m.start(t)
		_, err := p.getxattr("a", aclAttr)
		fails(t, code, err, errno)
		fails(t, code, p.setxattr("a", aclAttr, remote.Private), errno)
		m.sh(t, "echo more >> a; chmod 600 a; mv a b; setfattr -n user.x -v y b; getfattr -n user.x b")
		equal(t, "content", s.content(t, "b"), "textmore\n")
		s.checkAccess(t, code, "b", access{})
		if n := strings.Count(m.log.String(), "an ACL cannot be read"); n != 1 {
			t.Errorf("%s: %d lines in the log", code, n)
		}
		if said := m.ncloudfs(t, 0, "status", m.path); !strings.Contains(said, "ACLs lost") {
			t.Errorf("%s: %s", code, said)
		}
	}
}

func TestACLs(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "a", "text")
		s.put(t, "prefix/a", "text")
		m := s.mount(t, root())
		p := m.start(t)
		get := func(name, attr string) string {
			t.Helper()
			got, err := p.getxattr(name, attr)
			ok(t, err)
			return got
		}
		equal(t, "at first", get("a", aclAttr), remote.Private)
		before := s.head(t, "a")
		for _, value := range []string{"bucket-owner-full-control", "", "[", `[{"id":"x","permission":"ALL"}]`, `[{"permission":"READ"}]`,
			`[{"group":"Others","permission":"READ"}]`, `[{"id":"x","permission":"READ","more":1}]`, "<AccessControlPolicy/>", "private public-read"} {
			fails(t, "set "+value, p.setxattr("a", aclAttr, value), unix.EINVAL)
		}
		for name, a := range s.accesses() {
			ok(t, p.setxattr("a", aclAttr, a.value))
			s.checkAccess(t, name, "a", a)
			if name != "bob" {
				equal(t, "what was set", get("a", aclAttr), a.value)
			} else if got := get("a", aclAttr); !strings.Contains(got, fmt.Sprintf(`{"id":%q,`, s.bobID())) || !strings.Contains(got, "FULL_CONTROL") {
				t.Errorf("grants: %s", got)
			}
			policy := get("a", aclAttr+".xml")
			ok(t, p.setxattr("a", aclAttr, remote.Private))
			ok(t, p.setxattr("a", aclAttr+".xml", policy))
			s.checkAccess(t, name+" as XML", "a", a)
			equal(t, "XML again", get("a", aclAttr+".xml"), policy)
		}
		after := s.head(t, "a")
		if s.emulator == nil {
			after.ModTime = before.ModTime // Ceph dates an object anew with its ACL
		}
		if after.ETag != before.ETag || !after.ModTime.Equal(before.ModTime) {
			t.Errorf("the object was %v and is %v", before, after)
		}
		equal(t, "listed", m.sh(t, "getfattr -m - a"), "")
		ok(t, p.setxattr("a", aclAttr, remote.PublicRead))
		m.sh(t, "setfattr -x "+aclAttr+" a")
		equal(t, "removed", get("a", aclAttr), remote.Private)

		f, err := p.open("a", unix.O_RDWR)
		ok(t, err)
		_, err = f.pwrite("new", 0)
		ok(t, err)
		ok(t, p.setxattr("a", aclAttr, remote.PublicRead))
		ok(t, f.close())
		s.checkAccess(t, "set while it is open", "a", access{"", true, true})
		equal(t, "a", s.content(t, "a"), "newt")

		f, err = p.open("new", unix.O_RDWR|unix.O_CREAT)
		ok(t, err)
		ok(t, p.setxattr("new", aclAttr, s.toBob()))
		ok(t, f.close())
		s.checkAccess(t, "set before the first upload", "new", access{"", true, false})

		ok(t, p.mkdir("dir"))
		ok(t, p.setxattr("dir", aclAttr, remote.PublicRead))
		s.sync(t)
		acl, err := s.client.ACL(t.Context(), s.path("dir/"))
		ok(t, err)
		equal(t, "the marker", acl.Canned(), remote.PublicRead)
		_, err = p.getxattr("prefix", aclAttr)
		fails(t, "a directory without a marker", err, unix.ENODATA)
		fails(t, "a directory without a marker", p.setxattr("prefix", aclAttr, remote.PublicRead), unix.ENODATA)

		ok(t, p.setxattr("", aclAttr, remote.PublicRead))
		acl, err = s.client.ACL(t.Context(), remote.Path{Bucket: s.bucket})
		ok(t, err)
		equal(t, "the bucket", acl.Canned(), remote.PublicRead)
		equal(t, "the root", get("", aclAttr), remote.PublicRead)
		m.sh(t, "setfattr -x "+aclAttr+" .")
		equal(t, "the root", get("", aclAttr), remote.Private)
	})
}
