package test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// TestACLCommandsAgreeWithS3cmd: what ncloudfs sets s3cmd reads, and the other way
// round, by key and by path.
func TestACLCommandsAgreeWithS3cmd(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		s.put(t, "dir/file", "text")
		m := s.mount(t, root())
		key, path := "s3://"+s.bucket+"/dir/file", m.path+"/dir/file"
		get := func(what string) string { return s.ncloudfs(t, 0, "acl", "get", what) }
		for name, a := range s.accesses() {
			for _, what := range []string{key, path} {
				s.ncloudfs(t, 0, "acl", "set", what, a.value)
				s.checkAccess(t, name+" set by "+what, "dir/file", a)
				equal(t, "by path", get(path), get(key))
				if a.value[0] != '[' {
					equal(t, "what was set", get(key), a.value+"\n")
				}
				s.seesGrantsOf(t, "dir/file")
				s.ncloudfs(t, 0, "acl", "set", key, "private")
				s.seesGrantsOf(t, "dir/file")
			}
			m.sh(t, fmt.Sprintf("setfattr -n %s -v '%s' dir/file", aclAttr, a.value))
			s.seesGrantsOf(t, "dir/file")
			s.ncloudfs(t, 0, "acl", "set", "-r", m.path, "private")
			s.seesGrantsOf(t, "dir/file")
		}
		s.ncloudfs(t, 0, "acl", "set", "-r", "s3://"+s.bucket+"/dir", s.toBob())
		s.seesGrantsOf(t, "dir/file")
		m.sh(t, fmt.Sprintf("setfattr -x %s dir/file", aclAttr))
		equal(t, "after setfattr -x", get(key), "private\n")
		s.seesGrantsOf(t, "dir/file")
		s.s3cmd(t, `s3cmd setacl --acl-public "$1"`, key)
		equal(t, "made public by s3cmd", get(path), "public-read\n")
		s.s3cmd(t, `s3cmd setacl --acl-private "$1"; s3cmd setacl --acl-grant=read:"$2" "$1"`, key, s.bobID())
		if got := get(key); !strings.Contains(got, fmt.Sprintf(`{"id":%q,`, s.bobID())) {
			t.Errorf("granted by s3cmd: %s", got)
		}

		bucket := "s3://" + s.bucket
		s.ncloudfs(t, 0, "bucket", "acl", "set", s.bucket, s.toBob())
		s.seesGrantsOf(t, "")
		s.ncloudfs(t, 0, "bucket", "acl", "set", s.bucket, "public-read")
		equal(t, "the bucket", s.ncloudfs(t, 0, "bucket", "acl", "get", bucket), "public-read\n")
		s.seesGrantsOf(t, "")
		acl, err := s.client.ACL(contextOf(t), remote.Path{Bucket: s.bucket})
		ok(t, err)
		equal(t, "what others see", acl.Canned(), remote.PublicRead)
		s.s3cmd(t, `s3cmd setacl --acl-private "$1"`, bucket)
		equal(t, "the bucket", s.ncloudfs(t, 0, "bucket", "acl", "get", s.bucket), "private\n")
	})
}

// seesGrantsOf checks that s3cmd shows just the grants of an object, or with an
// empty key of the bucket, that ncloudfs reads.
func (s *store) seesGrantsOf(t testing.TB, key string) {
	t.Helper()
	if key == "" && s.emulator != nil {
		return // s3cmd asks for the location first, which NAVER does not offer
	}
	p := s.path(key)
	acl, err := s.client.ACL(contextOf(t), p)
	ok(t, err)
	var want []string
	for _, g := range acl.Grants {
		who := cmp.Or(g.Grantee.DisplayName, g.Grantee.Group, g.Grantee.ID)
		if who == remote.AllUsers {
			who = "*anon*"
		}
		want = append(want, who+": "+g.Permission)
	}
	slices.Sort(want)
	got := s.s3cmd(t, `s3cmd info "$1" | sed -n 's/^ *ACL: *//p' | LC_ALL=C sort`, "s3://"+p.String())
	equal(t, "what s3cmd shows of "+p.String(), strings.TrimSpace(got), strings.Join(want, "\n"))
}

func TestACLsOfManyObjects(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		for i := range 20 {
			s.put(t, fmt.Sprintf("tree/sub/%02d", i), "text")
		}
		s.put(t, "tree2", "another")
		m := s.mount(t, root())
		m.sh(t, "mkdir tree/made; ln -s x tree/link")
		s.sync(t)
		for what, value := range map[string]string{"s3://" + s.bucket + "/tree": "public-read", m.path + "/tree": "authenticated-read"} {
			equal(t, "set prints", s.ncloudfs(t, 0, "acl", "set", "-r", what, value), "")
			lines := strings.Split(strings.TrimSpace(s.ncloudfs(t, 0, "acl", "get", "-r", what)), "\n")
			public := 0
			for _, line := range lines {
				if strings.HasPrefix(line, value+"\t"+what) {
					public++
				}
			}
			if want := 21; public < want || !slices.IsSorted(lines) {
				t.Errorf("%s: %d of %d in\n%s", what, public, want, strings.Join(lines, "\n"))
			}
		}
		acl, err := s.client.ACL(contextOf(t), s.path("tree2"))
		ok(t, err)
		equal(t, "what is beside", acl.Canned(), remote.Private)
		says(t, s.ncloudfs(t, 1, "acl", "get", "s3://"+s.bucket+"/absent"), "NoSuchKey")
		says(t, s.ncloudfs(t, 1, "acl", "get", "-r", "s3://"+s.bucket+"/absent"), "there is nothing")
		says(t, s.ncloudfs(t, 1, "acl", "set", "s3://"+s.bucket, "private"), "must name an object")
		says(t, s.ncloudfs(t, 1, "acl", "set", m.path+"/tree/sub/00", "nonsense"), "no canned ACL")
		for _, verb := range [][]string{{"get"}, {"set"}, {"set", "-r"}} {
			args := append(append([]string{"acl"}, verb...), root().dir(t))
			if verb[0] == "set" {
				args = append(args, "private")
			}
			says(t, s.ncloudfs(t, 1, args...), "not in a mount of ncloudfs")
		}
		s.ncloudfs(t, 0, "acl", "set", "-r", m.path, "public-read")
		acl, err = s.client.ACL(contextOf(t), s.path("tree2"))
		ok(t, err)
		equal(t, "what is at the top", acl.Canned(), remote.PublicRead)
		acl, err = s.client.ACL(contextOf(t), remote.Path{Bucket: s.bucket})
		ok(t, err)
		equal(t, "the bucket, which -r leaves out", acl.Canned(), remote.Private)
	})
}

// TestACLsThatCannotBeSetAreSummedUp: the others are.
func TestACLsThatCannotBeSetAreSummedUp(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	for i := range 30 {
		s.put(t, fmt.Sprintf("%02d", i), "text")
	}
	server.Faults().Add(emulator.Fault{Operation: emulator.OpPutObjectACL, Count: 25, Effect: emulator.Refuse, Code: "AccessDenied"})
	out := s.ncloudfs(t, 1, "acl", "set", "-r", "s3://"+s.bucket, "public-read")
	if n := strings.Count(out, "AccessDenied"); n != 20 {
		t.Errorf("%d failures are named in\n%s", n, out)
	}
	says(t, out, "25 of 30 failed")
}
