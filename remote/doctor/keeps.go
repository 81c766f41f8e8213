package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"

	"ncloudfs/remote"
)

// probeACLKept overwrites and copies a public object.
func (e *examination) probeACLKept(ctx context.Context) (Finding, error) {
	o, err := e.put(ctx, "public", "x", remote.PutOptions{})
	if err != nil {
		return Finding{}, err
	}
	if err := e.client.SetCannedACL(ctx, o.Path, remote.AuthenticatedRead); err != nil {
		if refused(err) || remote.CodeOf(err) == remote.NotImplemented {
			return Finding{Status: Unknown, Found: "the keys may not set ACLs", Effect: "what is rewritten loses its grants to members, and what has some is renamed with --acl=private only"}, nil
		}
		return Finding{}, err
	}
	to := e.path("copy-of-public")
	if _, err := e.client.Copy(ctx, to, o.Path, remote.CopyOptions{}); err != nil {
		return Finding{}, err
	}
	if _, err := e.put(ctx, "public", "y", remote.PutOptions{}); err != nil {
		return Finding{}, err
	}
	kept := []string{}
	for _, at := range []struct {
		what string
		path remote.Path
	}{{"overwriting", o.Path}, {"copying", to}} {
		acl, err := e.client.ACL(ctx, at.path)
		if err != nil {
			return Finding{Status: Unknown, Found: "the keys may not read ACLs", Effect: "what is rewritten becomes private"}, nil //nolint:nilerr // it is what was found
		}
		if acl.Canned() == remote.AuthenticatedRead {
			kept = append(kept, at.what)
		}
	}
	if len(kept) == 0 {
		return Finding{Status: Absent, Found: "overwriting and copying lose the ACL", Effect: "a mount reads it before, and gives it again"}, nil
	}
	return Finding{Status: OK, Found: strings.Join(kept, " and ") + " keeps the ACL", Effect: "a mount gives it again nevertheless"}, nil
}

// documentedMetadata is how many bytes of metadata a mount relies on.
const documentedMetadata = 2048

// probeMetadata stores more and more metadata.
func (e *examination) probeMetadata(ctx context.Context) (Finding, error) {
	most := 0
	for _, size := range []int{1024, documentedMetadata, 4096, 8192} {
		const name = "n"
		o, err := e.put(ctx, "metadata", "x", remote.PutOptions{Meta: remote.Meta{name: strings.Repeat("v", size-len(name))}})
		if refused(err) {
			break
		}
		if err != nil {
			return Finding{}, err
		}
		now, err := e.client.Head(ctx, o.Path)
		if err != nil {
			return Finding{}, err
		}
		if len(now.Meta[name]) != size-len(name) {
			break
		}
		most = size
	}
	f := Finding{Status: OK, Found: fmt.Sprintf("%d bytes of metadata are kept", most), Effect: fmt.Sprintf("a mount uses at most %d", documentedMetadata)}
	if most < documentedMetadata {
		f.Status, f.Effect = Absent, "modes, owners, times and attributes that do not fit are ENOSPC"
	}
	return f, nil
}

// oddNames are names that services and what stands before them get wrong.
func oddNames() map[string]string {
	return map[string]string{
		"plus and space":     "a+b c",
		"percent":            "100%25 %",
		"Hangul, NFC":        "\uac00\ub098",
		"Hangul, NFD":        "\u1100\u1161\u1102\u1161",
		"control characters": "tab\there\x01",
		"XML's characters":   "<&>\"'",
	}
}

// probeNames stores, reads and lists objects of odd names, each its own.
func (e *examination) probeNames(ctx context.Context) (Finding, error) {
	var wrong []string
	for what, name := range oddNames() {
		if _, err := e.put(ctx, "names/"+name, what, remote.PutOptions{}); refused(err) {
			wrong = append(wrong, what+" (refused)")
		} else if err != nil {
			return Finding{}, err
		}
	}
	listed := map[string]bool{}
	for page, err := range e.client.List(ctx, remote.ListOptions{Bucket: e.Bucket, Prefix: e.prefix.Key + "names/"}) {
		if err != nil {
			return Finding{}, err
		}
		for _, o := range page.Objects {
			listed[strings.TrimPrefix(o.Path.Key, e.prefix.Key+"names/")] = true
		}
	}
	for what, name := range oddNames() {
		switch got, err := e.read(ctx, "names/"+name); {
		case remote.CodeOf(err) == remote.NoSuchKey, refused(err):
		case err != nil:
			return Finding{}, err
		case got != what:
			wrong = append(wrong, what+" (another object is read)")
		case !listed[name]:
			wrong = append(wrong, what+" (listed under another name)")
		}
	}
	if len(wrong) > 0 {
		return Finding{Status: Absent, Found: "not kept: " + strings.Join(wrong, ", "), Effect: "do not use such names"}, nil
	}
	return Finding{Status: OK, Found: "+, space, %, Hangul in both forms and control characters are kept", Effect: "file names may have them"}, nil
}

// read returns the content of a scratch object.
func (e *examination) read(ctx context.Context, name string) (string, error) {
	body, err := e.client.Get(ctx, e.path(name), remote.GetOptions{})
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	b, err := io.ReadAll(body)
	return string(b), err
}
