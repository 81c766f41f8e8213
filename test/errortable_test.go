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

// errorTable leaves out what means something else by operation (NoSuchUpload,
// InvalidRange and the like) and redirects, which package remote tests.
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

// hintOf is what a person has to find in the log.
func hintOf(code string) string {
	switch code {
	case "AccessDenied":
		return "check the key's permissions"
	case "InvalidAccessKeyId":
		return "no such access key at this endpoint"
	case "SignatureDoesNotMatch":
		return "the secret key does not belong to the access key"
	case "InvalidSecurity", "CredentialsNotSupported":
		return "does not accept these keys"
	case "NoSuchBucket":
		return "check the name and the region"
	case "RequestTimeTooSkewed":
		return "set its clock"
	}
	return ""
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

// name is where the call is made for one row.
func (f *faulty) name(code, howOften string) string {
	return f.call + " " + f.op + "/" + code + " " + howOften
}

func (f *faulty) prepare(t testing.TB, s *store) {
	t.Helper()
	s.put(t, f.call+" "+f.op+"/", "")
	for _, row := range f.rows {
		for _, suffix := range f.objects {
			s.put(t, f.name(row.code, "once")+suffix, "content")
			s.put(t, f.name(row.code, "always")+suffix, "content")
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
	log                *logBuffer    // of the patient one
	patient, impatient chan *program // idle ones: the waits between attempts pass side by side
}

func mountFaulty(t *testing.T, calls []faulty) *faultyMounts {
	t.Helper()
	s, _ := startEmulator(t, emulator.Options{})
	for _, f := range calls {
		f.prepare(t, s)
	}
	start := func(options ...string) (*mounted, chan *program) {
		m := s.mount(t, root(), options...)
		t.Cleanup(func() { m.kill(t) }) // what was kept is not waited for
		// Listed in this order, each directory is one request.
		m.sh(t, `ls -r | while IFS= read -r dir; do ls "$dir" >/dev/null; done`)
		idle := make(chan *program, 4)
		for range cap(idle) {
			idle <- m.start(t)
		}
		return m, idle
	}
	m, patient := start()
	_, impatient := start("--retry-time=1s")
	return &faultyMounts{s, m.log, patient, impatient}
}

// check injects one row.
func (m *faultyMounts) check(t testing.TB, f *faulty, row errorRow) {
	t.Helper()
	want, idle := row.errno, m.patient
	if row.passes {
		idle = m.impatient
	}
	if i := slices.IndexFunc(f.except, func(e errorRow) bool { return e.code == row.code }); i >= 0 {
		want = f.except[i].errno
	}
	p := <-idle
	err := f.try(m.s, p, row, "always", 0)
	idle <- p
	isLogged := row.errno != unix.ENOENT || f.call == "close" || f.call == "fsync" // elsewhere it is an everyday error
	if hint := hintOf(row.code); f.op == opPut && isLogged {
		eventually(t, row.code+": the log says "+hint, func() bool { return strings.Contains(m.log.String(), hint) })
	}
	if want == 0 && err != nil || want != 0 && !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", row.code, err, want)
	}
	if !row.passes {
		return
	}
	p = <-m.patient
	err = f.try(m.s, p, row, "once", 1)
	m.patient <- p
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
		{"whole read", opGet, append(errorTable(), rows(unix.EIO, false, "InvalidRange")...), []string{"/file"}, "/file", read,
			rows(unix.ESTALE, false, "NoSuchKey NoSuchBucket")},
		// A PUT does not know the code; a copy that a close makes of an edited
		// file does, when its base was removed.
		{"close", opPut, errorTable(), nil, "", small, rows(unix.ESTALE, false, "NoSuchKey")},
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
		{"lstat", opList, errorTable(), []string{"/file"}, "/", func(p *program, name string) error {
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
		{"chmod", opCopy, oneOfEach(), []string{""}, "", func(p *program, name string) error { return p.chmod(name, 0o600) }, nil},
		{"setxattr", opCopy, oneOfEach(), []string{""}, "", func(p *program, name string) error { return p.setxattr(name, "user.a", "b") }, nil},
		{"rename", opCopy, errorTable(), []string{""}, "-to", func(p *program, name string) error { return p.rename(name, name+"-to") }, nil},
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
