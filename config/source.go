package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"ncloudfs/remote"
)

// Source is what is mounted: a bucket, or the keys below a prefix of it, or all
// buckets of the account.
type Source struct {
	Bucket string // or remote.Account
	Prefix string // empty, or ends in "/"
}

// String returns the source as mountinfo and the log show it.
func (s Source) String() string {
	if s.Bucket == remote.Account {
		return remote.Account
	}
	return strings.TrimSuffix("s3://"+s.Bucket+"/"+s.Prefix, "/")
}

// bucketName is looser than NAVER's rule (3 to 63 small letters, digits,
// hyphens and dots), because other services have older, odder names.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$`)

// parseBucket is ParseSource for what is about one bucket.
func parseBucket(text string) (Source, error) {
	s, err := ParseSource(text)
	if err == nil && s.Bucket == remote.Account {
		err = errors.New("@ stands for every bucket of the account: name one bucket")
	}
	return s, err
}

// ParseSource reads BUCKET[/PREFIX], s3://BUCKET[/PREFIX] or @.
func ParseSource(text string) (Source, error) {
	rest, isURL := strings.CutPrefix(text, "s3://")
	switch {
	case rest == remote.Account:
		return Source{Bucket: remote.Account}, nil
	case strings.HasPrefix(rest, remote.Account):
		return Source{}, fmt.Errorf("source %q: @ stands for every bucket of the account and is the whole SOURCE", text)
	case strings.HasPrefix(text, "/"):
		return Source{}, fmt.Errorf("source %q is a path, not a bucket: give s3://BUCKET[/PREFIX], which mount(8) does not take for a file", text)
	case !isURL && strings.Contains(rest, "://"):
		return Source{}, errors.New("source must be BUCKET[/PREFIX] or s3://BUCKET[/PREFIX]: give the service's address as --endpoint")
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !bucketName.MatchString(bucket) {
		return Source{}, fmt.Errorf("source %q: %q is not the name of a bucket: give BUCKET[/PREFIX] or s3://BUCKET[/PREFIX]", text, bucket)
	}
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return Source{Bucket: bucket}, nil
	}
	for name := range strings.SplitSeq(prefix, "/") {
		if name == "" || name == "." || name == ".." || !utf8.ValidString(name) {
			return Source{}, fmt.Errorf("source %q: the prefix must be names in UTF-8, neither . nor .., joined by single slashes", text)
		}
	}
	prefix += "/"
	if len(prefix) >= remote.MaxKeyLength {
		return Source{}, fmt.Errorf("source: the prefix has %d bytes, a key has at most %d", len(prefix), remote.MaxKeyLength)
	}
	return Source{Bucket: bucket, Prefix: prefix}, nil
}
