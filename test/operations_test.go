package test

import (
	"os"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// operations are all that the service documents (Object Storage API guide,
// "Overview": account, bucket, object), as the emulator names them.
func operations() []string {
	return []string{
		emulator.OpListBuckets,
		emulator.OpCreateBucket, emulator.OpHeadBucket, emulator.OpDeleteBucket, emulator.OpListObjects,
		emulator.OpPutBucketACL, emulator.OpGetBucketACL,
		emulator.OpPutBucketCORS, emulator.OpGetBucketCORS, emulator.OpDeleteBucketCORS,
		emulator.OpListMultipartUploads,
		emulator.OpPutObject, emulator.OpCopyObject, emulator.OpGetObject, emulator.OpHeadObject,
		emulator.OpDeleteObject, emulator.OpDeleteObjects,
		emulator.OpPutObjectACL, emulator.OpGetObjectACL, emulator.OpOptions,
		emulator.OpCreateMultipartUpload, emulator.OpUploadPart, emulator.OpCompleteMultipartUpload, emulator.OpAbortMultipartUpload,
	}
}

// TestEveryDocumentedOperationIsUsed: by a mount or by a command, and nothing is
// used that is not documented, unless the doctor or `bucket uploads ls` asks
// whether it is there.
func TestEveryDocumentedOperationIsUsed(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	s, server := startEmulator(t, emulator.Options{})
	ok(t, s.client.SetCORS(contextOf(t), s.bucket, &remote.CORS{Rules: []remote.CORSRule{{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}}}}))
	s.put(t, "there", "content")
	_, err := s.client.Begin(contextOf(t), s.path("unfinished"), remote.PutOptions{})
	ok(t, err)
	server.ResetCounts()

	m := s.mount(t, root())
	m.shell().run(t, time.Minute, `
		cat there > /dev/null
		echo more >> there
		mv there moved
		setfattr -n user.ncloud.acl -v public-read moved
		getfattr -n user.ncloud.acl moved
		setfattr -n user.ncloud.acl -v public-read .
		getfattr -n user.ncloud.acl .
		head -c 17M /dev/zero > large
		mkdir dir; for i in 1 2 3 4; do echo $i > dir/$i; done
		mv dir other; rm -r other; rm moved`)
	m.ncloudfs(t, 0, "sync", m.path)
	m.unmount(t)
	for op, n := range server.Counts() {
		if !isDocumented(op) && n > 0 {
			t.Errorf("a mount sends %s, which is not documented", op)
		}
	}

	rules := root().dir(t) + "/rules.xml"
	ok(t, os.WriteFile(rules, []byte(corsRules), 0o600))
	for _, args := range [][]string{
		{"bucket", "ls"}, {"bucket", "make", "another"}, {"bucket", "remove", "another"},
		{"bucket", "cors", "set", s.bucket, rules}, {"bucket", "cors", "get", s.bucket},
		{"bucket", "cors", "test", s.bucket, "https://a.example.com", "GET", "key"}, {"bucket", "cors", "delete", s.bucket},
		{"bucket", "uploads", "ls", s.bucket}, {"bucket", "uploads", "abort", s.bucket, "--older-than=0"},
		{"doctor", s.bucket},
	} {
		s.ncloudfs(t, 0, args...)
	}
	counts := server.Counts()
	for _, op := range operations() {
		if counts[op] == 0 {
			t.Errorf("%s is documented, and neither a mount nor a command uses it", op)
		}
	}
}

func isDocumented(op string) bool {
	for _, documented := range operations() {
		if op == documented {
			return true
		}
	}
	return false
}
