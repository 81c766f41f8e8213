package test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// errorRow is a row of the service's documented table of error codes.
type errorRow struct {
	code   string
	errno  unix.Errno // what a program gets when it stays
	passes bool       // it is tried again: a program sees nothing of it when it comes once
}

func rows(errno unix.Errno, passes bool, codes string) []errorRow {
	var all []errorRow
	for _, code := range strings.Fields(codes) {
		all = append(all, errorRow{code, errno, passes})
	}
	return all
}

// errorTable leaves out the rows of elsewhere.
func errorTable() []errorRow {
	return slices.Concat(
		rows(unix.ENOENT, false, "NoSuchKey NoSuchBucket"),
		rows(unix.EACCES, false, "AccessDenied InvalidAccessKeyId SignatureDoesNotMatch InvalidSecurity CredentialsNotSupported"),
		rows(unix.EPERM, false, "InvalidObjectState"),
		rows(unix.ESTALE, false, "PreconditionFailed"),
		rows(unix.ENOTEMPTY, false, "BucketNotEmpty"),
		rows(unix.EEXIST, false, "BucketAlreadyExists"),
		rows(unix.EBUSY, false, "InvalidBucketState"),
		rows(unix.EDQUOT, false, "TooManyBuckets"),
		rows(unix.EINVAL, false, `InvalidBucketName InvalidURI InvalidArgument InvalidLocationConstraint MalformedACLError
			MalformedPOSTRequest MalformedXML MaxMessageLengthExceeded MissingRequestBodyError UserKeyMustBeSpecified
			UnresolvableGrantByEmailAddress InlineDataTooLarge UnexpectedContent MaxPostPreDataLengthExceededError
			RequestIsNotMultiPartContent IncorrectNumberOfFilesInPostRequest InvalidEncryptionAlgorithmError InvalidRequest`),
		rows(unix.EFBIG, false, "EntityTooLarge"),
		rows(unix.ENAMETOOLONG, false, "KeyTooLong"),
		rows(unix.ENOSPC, false, "MetadataTooLarge"),
		rows(unix.EOPNOTSUPP, false, "MethodNotAllowed NotImplemented"),
		rows(unix.EIO, false, "RequestTimeTooSkewed MissingContentLength"),
		rows(unix.EIO, true, "OperationAborted BadDigest InvalidDigest IncompleteBody RequestTimeout InternalError ServiceUnavailable SlowDown"))
}

// oneOfEach has a code for each errno and each way of trying again.
func oneOfEach() []errorRow {
	return someOf(errorTable(), `NoSuchBucket AccessDenied InvalidObjectState PreconditionFailed InvalidRequest EntityTooLarge
		KeyTooLong MetadataTooLarge NotImplemented RequestTimeTooSkewed OperationAborted IncompleteBody InternalError SlowDown`)
}

// someOf is the rows of these codes.
func someOf(table []errorRow, codes string) []errorRow {
	return slices.DeleteFunc(table, func(r errorRow) bool { return !slices.Contains(strings.Fields(codes), r.code) })
}

// restarts is what the service says when an upload in parts has to begin anew.
func restarts() []errorRow {
	return rows(unix.EIO, true, "NoSuchUpload InvalidPart InvalidPartOrder EntityTooSmall")
}

// heads is the table by status: the answer to a HEAD has no code.
func heads() []errorRow {
	return slices.Concat(
		rows(unix.EACCES, false, "AccessDenied RequestTimeTooSkewed"),
		rows(unix.EINVAL, false, "InvalidRequest RequestTimeout"),
		rows(unix.ESTALE, false, "PreconditionFailed"),
		rows(unix.EOPNOTSUPP, false, "MethodNotAllowed NotImplemented"),
		rows(unix.EIO, false, "MissingContentLength OperationAborted"),
		rows(unix.EIO, true, "InternalError ServiceUnavailable"))
}

// elsewhere are the rows that say something by the operation only, or have the
// request sent elsewhere: where they are out of place they are final.
func elsewhere() []errorRow {
	return rows(unix.EIO, false, "NoSuchUpload InvalidRange EntityTooSmall InvalidPart InvalidPartOrder Redirect TemporaryRedirect")
}

// hintOf is what a person has to find in the log, beside the code and the path.
func hintOf(code string) string {
	for hint, codes := range map[string]string{
		"check the key's permissions":           "AccessDenied",
		"no such access key at this endpoint":   "InvalidAccessKeyId",
		"does not belong to the access key":     "SignatureDoesNotMatch",
		"does not accept these keys":            "InvalidSecurity CredentialsNotSupported",
		"check the name and the region":         "NoSuchBucket",
		"of the server; set its clock":          "RequestTimeTooSkewed",
		"locked against change":                 "InvalidObjectState",
		"another client has changed":            "PreconditionFailed",
		"remove its objects first":              "BucketNotEmpty",
		"choose another":                        "BucketAlreadyExists",
		"busy with another change":              "InvalidBucketState",
		"remove one":                            "TooManyBuckets",
		"at most 10 TB":                         "EntityTooLarge",
		"use shorter names":                     "KeyTooLong",
		"more than 2 KB":                        "MetadataTooLarge",
		"does not offer this operation":         "MethodNotAllowed NotImplemented",
		"check the proxy":                       "MissingContentLength",
		"the bytes changed or ended on the way": "BadDigest InvalidDigest IncompleteBody",
		"busy or disturbed":                     "OperationAborted RequestTimeout InternalError ServiceUnavailable SlowDown",
		"ended by somebody else":                "NoSuchUpload EntityTooSmall InvalidPart InvalidPartOrder",
		"shorter than it was":                   "InvalidRange",
		"in another region":                     "Redirect TemporaryRedirect",
		"no bucket can have this name":          "InvalidBucketName",
		"check --region":                        "InvalidLocationConstraint",
		"no account has this e-mail address":    "UnresolvableGrantByEmailAddress",
		"does not take this ACL":                "MalformedACLError",
	} {
		if slices.Contains(strings.Fields(codes), code) {
			return hint
		}
	}
	return "does not understand the request"
}

// faulty is a system call whose request of one operation is refused.
type faulty struct {
	call    string
	op      string // the request's operation
	rows    []errorRow
	objects []string // what has to be there, as suffixes of the name
	key     string   // of the request, as a suffix of the name
	do      func(p *program, name string) error
	except  []errorRow // where the table does not decide
}

// isWhole reports whether it is one of the four that the whole table is tried
// with, and the log looked at: a read, a write, a listing and a rename.
func (f *faulty) isWhole() bool {
	return slices.Contains([]string{"whole read " + opGet, "close " + opPut, "lstat " + opList, "rename " + opCopy}, f.call+" "+f.op)
}

// name is where the call is made for one row.
func (f *faulty) name(code, howOften string) string {
	return f.call + " " + f.op + "/" + code + " " + howOften
}

func (f *faulty) prepare(t testing.TB, s *store) {
	t.Helper()
	s.put(t, f.call+" "+f.op+"/", "")
	for _, row := range f.rows {
		for _, suffix := range f.objects {
			content := "content"
			if strings.HasSuffix(suffix, "/") { // a marker
				content = ""
			}
			s.put(t, f.name(row.code, "once")+suffix, content)
			s.put(t, f.name(row.code, "always")+suffix, content)
		}
	}
}

// try makes the call while its request is refused, count times or (0) always.
func (f *faulty) try(s *store, p *program, row errorRow, howOften string, count int) error {
	name := f.name(row.code, howOften)
	rule := emulator.Fault{Operation: f.op, Effect: emulator.Refuse, Code: row.code, Count: count}
	switch {
	case f.op == opList: // of the directory, or, in a walk, of all that are beside it
		rule.KeyPrefix = f.call + " " + f.op + "/"
	case f.isKeyed():
		rule.Key = name + f.key
	}
	defer s.emulator.Faults().Add(rule)()
	return f.do(p, name)
}

// isKeyed reports whether the request is about one key. Else the rows must be
// tried one by one.
func (f *faulty) isKeyed() bool { return f.op != emulator.OpDeleteObjects }

// faultyMounts are two mounts of a bucket. The impatient one, which gives up
// after a second, is for errors that are tried again.
type faultyMounts struct {
	s                  *store
	patient, impatient *faultyMount
}

type faultyMount struct {
	log  *logBuffer
	idle chan *program // the waits between attempts pass side by side
}

func mountFaulty(t *testing.T, calls []faulty) *faultyMounts {
	t.Helper()
	s, _ := startEmulator(t, emulator.Options{})
	for _, f := range calls {
		f.prepare(t, s)
	}
	start := func(options ...string) *faultyMount {
		// What is listed below is to stay known for the whole test.
		m := s.mount(t, root(), append(options, "--metadata-ttl=1h")...)
		t.Cleanup(func() { m.kill(t) }) // what was kept is not waited for
		// Listed in this order, each directory is one request.
		m.sh(t, `ls -r | while IFS= read -r dir; do ls "$dir" >/dev/null; done`)
		idle := make(chan *program, 4)
		for range cap(idle) {
			idle <- m.start(t)
		}
		return &faultyMount{m.log, idle}
	}
	return &faultyMounts{s, start(), start("--retry-time=1s")}
}

// logged waits for what a mount logs of a call that failed, and checks that it
// is one line, with the path, the code and what to do.
func (m *faultyMount) logged(t testing.TB, name, code string) {
	t.Helper()
	lines := func() (found []string) {
		for line := range strings.Lines(m.log.String()) {
			if strings.Contains(line, "operation failed") && strings.Contains(line, name) {
				found = append(found, line)
			}
		}
		return found
	}
	eventually(t, code+" is logged", func() bool { return len(lines()) > 0 })
	if found := lines(); len(found) != 1 || !strings.Contains(found[0], code) || !strings.Contains(found[0], hintOf(code)) {
		t.Errorf("%s: want one line that says %q, got %q", code, hintOf(code), found)
	}
}

// check injects one row.
func (m *faultyMounts) check(t testing.TB, f *faulty, row errorRow) {
	t.Helper()
	want, on := row.errno, m.patient
	if row.passes {
		on = m.impatient
	}
	if i := slices.IndexFunc(f.except, func(e errorRow) bool { return e.code == row.code }); i >= 0 {
		want = f.except[i].errno
	}
	p := <-on.idle
	err := f.try(m.s, p, row, "always", 0)
	on.idle <- p
	if f.isWhole() && row.code != "NoSuchKey" { // what is not there is an everyday error
		on.logged(t, f.name(row.code, "always"), row.code)
	}
	if want == 0 && err != nil || want != 0 && !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", row.code, err, want)
	}
	if !row.passes {
		return
	}
	p = <-m.patient.idle
	err = f.try(m.s, p, row, "once", 1)
	m.patient.idle <- p
	if err != nil {
		t.Errorf("%s, once: %v", row.code, err)
	}
}

// TestErrorTable: every documented error code, for every operation that files
// and directories need, arrives as the errno of the table.
func TestErrorTable(t *testing.T) {
	t.Parallel()
	calls := append(faultyFiles(), faultyNames()...)
	m := mountFaulty(t, calls)
	for _, f := range calls {
		t.Run(f.call+" "+f.op, func(t *testing.T) {
			if !f.isKeyed() { // before the others, which wait until this function returns
				for _, row := range f.rows {
					m.check(t, &f, row)
				}
				return
			}
			t.Parallel()
			if f.op == opList {
				slices.SortFunc(f.rows, func(a, b errorRow) int { return cmp.Compare(b.code, a.code) }) // the same
				for _, row := range f.rows {
					m.check(t, &f, row)
				}
				return
			}
			var checks sync.WaitGroup
			for _, row := range f.rows {
				checks.Go(func() { m.check(t, &f, row) })
			}
			checks.Wait()
		})
	}
}

// faultyFiles are calls that read and write.
func faultyFiles() []faulty {
	small := func(p *program, name string) error { return p.writeFile(name, "content") }
	large := func(p *program, name string) error { // in parts, without a byte written
		f, err := p.open(name, unix.O_WRONLY|unix.O_CREAT)
		if err == nil {
			err = errors.Join(f.ftruncate(17<<20), f.close())
		}
		if err != nil && !errors.Is(err, unix.EIO) {
			_ = p.unlink(name) // else it is sent in vain again and again
		}
		return err
	}
	parts := someOf(errorTable(), "AccessDenied EntityTooLarge OperationAborted InternalError") // each costs an upload
	read := func(p *program, name string) error {
		got, err := p.readFile(name + "/file")
		if err == nil && got != "content" {
			err = errors.New("read " + got)
		}
		return err
	}
	return []faulty{
		// The version that was opened is gone, whatever is at its name; that
		// a file which has these bytes has not is no end of file. Each is in a
		// directory of its own: else it may have been fetched ahead of the read.
		// These come last, or others would be listed ahead with them.
		{"whole read", opGet, append(errorTable(), elsewhere()...), []string{"/file"}, "/file", read,
			rows(unix.ESTALE, false, "NoSuchKey NoSuchBucket")},
		// A PUT does not know the code; a copy that a close makes of an edited
		// file does, when its base was removed.
		{"close", opPut, append(errorTable(), elsewhere()...), nil, "", small, rows(unix.ESTALE, false, "NoSuchKey")},
		{"fsync", opPut, oneOfEach(), nil, "", func(p *program, name string) error {
			f, err := p.open(name, unix.O_WRONLY|unix.O_CREAT)
			if err == nil {
				defer func() { _ = f.close() }() // fails as fsync did
				err = f.fsync()
			}
			return err
		}, nil},
		{"truncate", opPut, oneOfEach(), []string{""}, "", func(p *program, name string) error { return p.truncate(name, 3) }, nil},
		{"append", opHead, heads(), []string{""}, "", func(p *program, name string) error {
			f, err := p.open(name, unix.O_WRONLY|unix.O_APPEND)
			if err == nil {
				err = f.close()
			}
			return err
		}, nil},
		{"close", emulator.OpCreateMultipartUpload, oneOfEach(), nil, "", large, nil},
		{"close", emulator.OpUploadPart, append(parts, restarts()[0]), nil, "", large, nil},
		{"close", emulator.OpCompleteMultipartUpload, append(parts, restarts()...), nil, "", large, nil},
	}
}

// faultyNames are calls about names and attributes.
func faultyNames() []faulty {
	return []faulty{
		{"lstat", opList, append(errorTable(), elsewhere()...), []string{"/file"}, "/", func(p *program, name string) error {
			_, err := p.lstat(name + "/file")
			return err
		}, nil},
		{"readdir", opList, oneOfEach(), []string{"/file"}, "/", func(p *program, name string) error {
			_, err := p.readDir(name)
			return err
		}, nil},
		{"rmdir", opList, oneOfEach(), []string{"/"}, "/", (*program).rmdir, nil},
		{"rmdir", opDelete, oneOfEach(), []string{"/"}, "/", (*program).rmdir, nil},
		{"unlink", opDelete, errorTable(), []string{""}, "", (*program).unlink, rows(0, false, "NoSuchKey")}, // gone is gone
		{"mkdir", opPut, oneOfEach(), nil, "/", (*program).mkdir, nil},
		{"symlink", opPut, oneOfEach(), nil, "", func(p *program, name string) error { return p.symlink("target", name) }, nil},
		{"mknod", opPut, oneOfEach(), nil, "", func(p *program, name string) error { return p.mknod(name, unix.S_IFIFO|0o600) }, nil},
		{"chmod", opHead, heads(), []string{""}, "", func(p *program, name string) error { return p.chmod(name, 0o600) }, nil},
		{"chmod", opCopy, oneOfEach(), []string{""}, "", func(p *program, name string) error {
			return p.synced(name, func() error { return p.chmod(name, 0o600) })
		}, nil},
		{"setxattr", opCopy, oneOfEach(), []string{""}, "", func(p *program, name string) error {
			return p.synced(name, func() error { return p.setxattr(name, "user.a", "b") })
		}, nil},
		{"rename", opCopy, append(errorTable(), elsewhere()...), []string{""}, "-to", func(p *program, name string) error { return p.rename(name, name+"-to") }, nil},
		{"rename", opDelete, oneOfEach(), []string{""}, "", func(p *program, name string) error { return p.rename(name, name+"-to") }, nil},
		{"rename directory", opCopy, oneOfEach(), []string{"/file"}, "-to/file", func(p *program, name string) error {
			return p.rename(name, name+"-to")
		}, nil},
		// What is at its new place is shown there; the log names what is left.
		{"rename directory", emulator.OpDeleteObjects, rows(0, true, "AccessDenied InternalError SlowDown"), []string{"/file"}, "", func(p *program, name string) error {
			return p.rename(name, name+"-to")
		}, nil},
	}
}
