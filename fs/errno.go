package fs

import (
	"errors"
	"io/fs"
	"syscall"

	"ncloudfs/cache"
	"ncloudfs/remote"
)

// errnoOf gives the errno of an error. It is the only place where one becomes
// the other.
func errnoOf(err error) syscall.Errno {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errKilled):
		return syscall.EINTR
	case errors.Is(err, remote.ErrChanged):
		return syscall.ESTALE
	case errors.Is(err, cache.ErrNotEmpty):
		return syscall.ENOTEMPTY
	case errors.Is(err, cache.ErrNotDir):
		return syscall.ENOTDIR
	case errors.Is(err, cache.ErrIsDir):
		return syscall.EISDIR
	case errors.Is(err, cache.ErrNameTooLong):
		return syscall.ENAMETOOLONG
	case errors.Is(err, cache.ErrBadName):
		return syscall.EILSEQ
	case errors.Is(err, cache.ErrStageFull):
		return syscall.ENOSPC
	case errors.Is(err, cache.ErrStage):
		return stageErrno(err)
	case errors.Is(err, cache.ErrNoFileHere), errors.Is(err, cache.ErrKeepBuckets), errors.Is(err, cache.ErrMarkerFile):
		return syscall.EPERM
	case errors.Is(err, cache.ErrCopyLimit), errors.Is(err, cache.ErrOtherBucket), errors.Is(err, cache.ErrPartOfNames):
		return syscall.EXDEV // mv(1) then copies and deletes by itself
	case errors.Is(err, cache.ErrRenameLimit):
		return syscall.EFBIG
	case errors.Is(err, cache.ErrReadOnly):
		return syscall.EROFS
	}
	if code := codeErrno(remote.CodeOf(err)); code != 0 {
		return code
	}
	return sentinelErrno(err)
}

// stageErrno keeps what a program can act on, of the errors of the local disk.
func stageErrno(err error) syscall.Errno {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, errno) {
			return errno
		}
	}
	return syscall.EIO
}

func sentinelErrno(err error) syscall.Errno {
	var errno syscall.Errno
	var failed *remote.Error
	switch {
	case errors.Is(err, remote.ErrTooLarge):
		return syscall.EFBIG
	case errors.Is(err, fs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, fs.ErrPermission):
		return syscall.EACCES
	case errors.Is(err, fs.ErrExist):
		return syscall.EEXIST
	case errors.Is(err, errors.ErrUnsupported):
		return syscall.EOPNOTSUPP
	case errors.As(err, &failed): // a lost connection, whatever its errno
		return syscall.EIO
	case errors.As(err, &errno):
		return errno
	default: // a cancelled mount, anything unforeseen
		return syscall.EIO
	}
}

// codeErrno covers the service's codes whose errno no sentinel gives; 0 for
// all others. The table is that of the Object Storage API guide.
func codeErrno(code remote.Code) syscall.Errno {
	switch code {
	case remote.InvalidObjectState: // locked against change
		return syscall.EPERM
	case remote.BucketNotEmpty:
		return syscall.ENOTEMPTY
	case remote.InvalidBucketState:
		return syscall.EBUSY
	case remote.TooManyBuckets:
		return syscall.EDQUOT
	case remote.KeyTooLong:
		return syscall.ENAMETOOLONG
	case remote.MetadataTooLarge:
		return syscall.ENOSPC
	case remote.InvalidBucketName, remote.InvalidURI, remote.InvalidArgument, remote.InvalidLocationConstraint,
		remote.MalformedACL, remote.MalformedPOSTRequest, remote.MalformedXML, remote.MaxMessageLengthExceeded,
		remote.MissingRequestBody, remote.UserKeyMustBeSpecified, remote.UnresolvableGrantByEmailAddress,
		remote.InlineDataTooLarge, remote.UnexpectedContent, remote.MaxPostPreDataLengthExceeded,
		remote.RequestIsNotMultiPartContent, remote.IncorrectNumberOfFilesInPostRequest,
		remote.InvalidEncryptionAlgorithm, remote.InvalidRequest:
		return syscall.EINVAL
	default:
		return 0
	}
}

// isEveryday reports what programs meet all the time, though never on a file
// that they have open, and never because the service refused something.
func isEveryday(op string, errno syscall.Errno, err error) bool {
	switch errno {
	case syscall.EINTR:
		return true
	case syscall.EXDEV:
		return errors.Is(err, cache.ErrOtherBucket)
	case syscall.ENOENT, syscall.EEXIST, syscall.ENOTEMPTY, syscall.ENOTDIR, syscall.EISDIR, syscall.ENAMETOOLONG, syscall.EILSEQ:
		refusal, refused := errors.AsType[*remote.Error](err)
		refused = refused && refusal.Status != 0 && refusal.Code != remote.NoSuchKey
		return !refused && op != "close" && op != "fsync" && op != "write" && op != "read"
	}
	return false
}

// failureOf tells failures apart: by what the service refused, of which the text
// may have other numbers each time, or else by the text.
func failureOf(err error) string {
	if e, ok := errors.AsType[*remote.Error](err); ok && e.Code != "" {
		return e.Op + " " + e.Path.String() + " " + string(e.Code)
	}
	return err.Error()
}

// report logs an error that the caller will see only as a number, and returns
// that number. What programs meet every day is not logged, and what the kernel
// asks for again only once.
func (m *Mount) report(op string, err error) syscall.Errno {
	errno := errnoOf(err)
	if errno != 0 && m.ctx.Err() == nil && !isEveryday(op, errno, err) && m.logged.isNew(op+" "+failureOf(err)) {
		m.log.Error("operation failed", "op", op, "errno", errno.Error(), "err", err)
	}
	return errno
}
