package remote_test

import (
	"errors"
	"io/fs"
	"slices"
	"testing"

	"ncloudfs/remote"
)

func wantCanned(t *testing.T, c *remote.Client, p remote.Path, want string) {
	t.Helper()
	a, err := c.ACL(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Canned(); got != want {
		t.Errorf("%v: ACL %+v is %q, want %q", p, a, got, want)
	}
}

// mayRead reports whether c may read p.
func mayRead(t *testing.T, c *remote.Client, p remote.Path) bool {
	t.Helper()
	body, err := c.Get(t.Context(), p, remote.GetOptions{})
	if err == nil {
		_ = body.Close()
		return true
	}
	wantCode(t, "reading "+p.String(), err, remote.AccessDenied, fs.ErrPermission)
	return false
}

func TestCannedACLsOfObjects(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		put(t, c, p, "x", remote.PutOptions{})
		wantCanned(t, c, p, remote.Private)
		for _, test := range []struct {
			canned         string
			bob, anonymous bool
		}{
			{remote.PublicRead, true, true},
			{remote.AuthenticatedRead, true, false},
			{remote.PublicReadWrite, true, true},
			{remote.Private, false, false},
		} {
			if err := c.SetCannedACL(t.Context(), p, test.canned); err != nil {
				t.Fatal(err)
			}
			wantCanned(t, c, p, test.canned)
			equal(t, test.canned+": alice", mayRead(t, c, p), true)
			equal(t, test.canned+": bob", mayRead(t, s.bob(t), p), test.bob)
			equal(t, test.canned+": anonymous", mayRead(t, s.anonymous(t), p), test.anonymous)
			put(t, c, p, "x", remote.PutOptions{ACL: test.canned})
			wantCanned(t, c, p, test.canned)
		}
		_, err := c.ACL(t.Context(), remote.Path{Bucket: p.Bucket, Key: "absent"})
		wantCode(t, "ACL of an absent object", err, remote.NoSuchKey, fs.ErrNotExist)
	})
}

// NAVER documents four canned ACLs; others are refused.
func TestUnknownCannedACL(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		put(t, c, p, "x", remote.PutOptions{})
		err := c.SetCannedACL(t.Context(), p, "bucket-owner-full-control")
		if s.ceph { // AWS has it
			if err != nil {
				t.Error(err)
			}
		} else {
			wantCode(t, "bucket-owner-full-control", err, remote.InvalidArgument, nil)
		}
		wantCode(t, "nonsense", c.SetCannedACL(t.Context(), p, "nonsense"), remote.InvalidArgument, nil)
	})
}

// A bucket's READ lets one list it, and not read its objects.
func TestCannedACLsOfBuckets(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		p := remote.Path{Bucket: bucket, Key: "f"}
		put(t, c, p, "x", remote.PutOptions{})
		wantCanned(t, c, remote.Path{Bucket: bucket}, remote.Private)
		_, err := s.bob(t).ListPage(t.Context(), remote.ListOptions{Bucket: bucket})
		wantCode(t, "bob's listing", err, remote.AccessDenied, fs.ErrPermission)
		wantCode(t, "bob's HeadBucket", s.bob(t).HeadBucket(t.Context(), bucket), remote.AccessDenied, fs.ErrPermission)

		if err := c.SetCannedACL(t.Context(), remote.Path{Bucket: bucket}, remote.PublicRead); err != nil {
			t.Fatal(err)
		}
		wantCanned(t, c, remote.Path{Bucket: bucket}, remote.PublicRead)
		for _, other := range []*remote.Client{s.bob(t), s.anonymous(t)} {
			if _, err := other.ListPage(t.Context(), remote.ListOptions{Bucket: bucket}); err != nil {
				t.Error(err)
			}
			equal(t, "reading", mayRead(t, other, p), false)
			_, err := other.Put(t.Context(), remote.Path{Bucket: bucket, Key: "g"}, nil, 0, remote.PutOptions{})
			wantCode(t, "writing", err, remote.AccessDenied, fs.ErrPermission)
		}
	})
}

// Grants by id and by group are stored, read back, and count.
func TestGrants(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		p := remote.Path{Bucket: bucket, Key: "f"}
		put(t, c, p, "x", remote.PutOptions{})
		bob := s.id(t, s.bob(t))
		a, err := c.ACL(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "owner", a.Owner.ID, s.id(t, c))
		a.Grants = append(a.Grants,
			remote.Grant{Grantee: remote.Grantee{ID: bob}, Permission: remote.Read},
			remote.Grant{Grantee: remote.Grantee{ID: bob}, Permission: remote.ReadACP},
			remote.Grant{Grantee: remote.Grantee{Group: remote.AuthenticatedUsers}, Permission: remote.ReadACP})
		if err := c.SetACL(t.Context(), p, a); err != nil {
			t.Fatal(err)
		}
		got, err := s.bob(t).ACL(t.Context(), p) // READ_ACP counts
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "canned", got.Canned(), "")
		for _, g := range a.Grants {
			if !slices.ContainsFunc(got.Grants, func(x remote.Grant) bool {
				return x.Permission == g.Permission && x.Grantee.ID == g.Grantee.ID && x.Grantee.Group == g.Grantee.Group
			}) {
				t.Errorf("%+v is not in %+v", g, got.Grants)
			}
		}
		equal(t, "grants", len(got.Grants), len(a.Grants))
		equal(t, "bob reads", mayRead(t, s.bob(t), p), true)
		equal(t, "anonymous reads", mayRead(t, s.anonymous(t), p), false)
		wantCode(t, "bob's SetACL", s.bob(t).SetACL(t.Context(), p, a), remote.AccessDenied, fs.ErrPermission)

		onBucket, err := c.ACL(t.Context(), remote.Path{Bucket: bucket})
		if err != nil {
			t.Fatal(err)
		}
		onBucket.Grants = append(onBucket.Grants, remote.Grant{Grantee: remote.Grantee{ID: bob}, Permission: remote.Write})
		if err := c.SetACL(t.Context(), remote.Path{Bucket: bucket}, onBucket); err != nil {
			t.Fatal(err)
		}
		put(t, s.bob(t), remote.Path{Bucket: bucket, Key: "bobs"}, "x", remote.PutOptions{})
		_, err = s.bob(t).ListPage(t.Context(), remote.ListOptions{Bucket: bucket})
		wantCode(t, "WRITE does not let one list", err, remote.AccessDenied, fs.ErrPermission)
	})
}

func TestGrantToNobody(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		put(t, c, p, "x", remote.PutOptions{})
		a, err := c.ACL(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		a.Grants = append(a.Grants, remote.Grant{Grantee: remote.Grantee{Email: "nobody@example.com"}, Permission: remote.Read})
		if err := c.SetACL(t.Context(), p, a); err == nil {
			t.Error("a grant to an unknown e-mail address was taken")
		} else if !errors.Is(err, fs.ErrPermission) {
			wantCode(t, "e-mail", err, remote.UnresolvableGrantByEmailAddress, nil)
		}
	})
}

// id is the account's id as it stands in ACLs: the owner of a bucket of its own.
func (s *service) id(t *testing.T, c *remote.Client) string {
	t.Helper()
	name := s.newName()
	if err := c.MakeBucket(t.Context(), name, ""); err != nil {
		t.Fatal(err)
	}
	a, err := c.ACL(t.Context(), remote.Path{Bucket: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.RemoveBucket(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return a.Owner.ID
}
