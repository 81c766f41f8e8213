package test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ncloudfs/remote/emulator/emulatortest"
)

// mode is what the environment asks of all tests. In one that is not plain
// they use the emulator only, and those that are leftOut are not run.
type mode struct {
	faults    bool // NCLOUDFS_TEST_FAULTS=1: servers are as busy as busyFaults
	writeBack bool // NCLOUDFS_TEST_MODE=write-back: mounts are, and tests that look into a bucket sync them first
}

func theMode() mode {
	return mode{faults: os.Getenv("NCLOUDFS_TEST_FAULTS") == "1", writeBack: os.Getenv("NCLOUDFS_TEST_MODE") == "write-back"}
}

// environ is for the program.
func (m mode) environ() []string {
	if m.writeBack {
		return []string{"NCLOUDFS_WRITE_BACK=true"}
	}
	return nil
}

// sync lets the mounts of s that acknowledge early upload all that was closed.
func (s *store) sync(t testing.TB) {
	t.Helper()
	if theMode().writeBack {
		s.syncAll(t)
	}
}

// syncAll is sync for what mounts of either mode acknowledge early: attributes.
func (s *store) syncAll(t testing.TB) {
	t.Helper()
	for _, m := range running.of(s) {
		if out, code := run(t, m.command("sync", m.path)); code != 0 {
			t.Logf("sync: exit code %d: %s", code, out) // the test sees what is not there
		}
	}
}

func (m mode) isPlain() bool { return m == mode{} }

// upset makes a server what the mode wants it to be.
func (m mode) upset(server *emulatortest.Server) {
	if m.faults {
		for _, f := range busyFaults() {
			server.Faults().Add(f)
		}
	}
}

// omission are tests that a mode leaves out, and why.
type omission struct {
	why   string
	tests []string
}

// leftOut are the tests that the mode leaves out.
func (m mode) leftOut() []omission {
	var all []omission
	if os.Getenv(posixVariable) == "" {
		all = append(all, omission{"runs in a child of TestPosix", []string{"TestPosixCase"}})
	}
	if !m.isPlain() {
		all = append(all, alwaysTheSame()...)
	}
	if m.faults {
		all = append(all, notAmongFaults()...)
	}
	if m.writeBack {
		all = append(all, notInWriteBack()...)
	}
	return all
}

// alwaysTheSame are tests that prove the same in each mode.
func alwaysTheSame() []omission {
	return []omission{
		{"mounts nothing", []string{"TestLibrariesHaveOneHome", "TestPlanesImportDownwards", "TestOnlyMainImportsConfig",
			"TestRootHoldsOnlyWhatTheLayoutNames", "TestEveryHeadingHasATest", "TestLeftOutTestsExist"}},
		{"mounts nothing but asks the service", []string{"TestBucketsAreMadeListedAndRemoved", "TestCORSRulesAgreeWithS3cmd", "TestUnfinishedUploadsAgreeWithS3cmd",
			"TestACLsThatCannotBeSetAreSummedUp"}},
		{"fails before a request, or by it", []string{"TestBadInputGetsOneClearLine"}},
		{"needs Ceph", []string{"TestTwoGiBKeepTheBoundOfMemory"}},
		{"measures memory", []string{"TestMemoryLimit", "TestLargeDirectoryKeepsTheBoundOfMemory", "TestKernelForgetsNodesBeyondTheBound"}},
		{"counts requests", []string{"TestCreatingASmallFileIsOnePut", "TestFirstLookupIsOneListPage", "TestReadingASmallListedFileIsOneGet", "TestDirectReadsAreARequestEach",
			"TestEveryCloseWithNewBytesIsOnePut", "TestAppendingToAnExistingFileIsKnown", "TestListingIsItsPages",
			"TestChangesCostWhatTheyMust", "TestKeepingAnACLIsOneRequest", "TestOneACLForAllIsNoRequest", "TestRenamingADirectoryIsACopyOfEachObject", "TestCopyOfALargeFileMovesNoData", "TestIdleMountSendsNothing", "TestExactAttributesAreOneHeadEach", "TestAttributesOfAFileThatIsWrittenRideAlong", "TestCopiesWithAttributesCost", "TestFindingsOfTheDoctorAreUsed", "TestEveryDocumentedOperationIsUsed", "TestFetchingAhead", "TestLateUploads"}},
		{"runs in all modes, or in the one that it is about", []string{"TestLateUploadMeetsAnotherMount",
			"TestCrashMatrix", "TestPowerLoss", "TestKilledAtRandomMoments", "TestAbandonedPutNeverOverwritesANewerVersion", "TestBucketOrKeysThatAreGoneLoseNothing",
			"TestBadFullStageDisk", "TestBadRecordsAndFilesAreReportedAndKept", "TestBadJournalIsRefusedAndLeftAlone",
			"TestWriteBackMode", "TestAnswersThatAreLost", "TestFullDisks", "TestAttributesThatWait",
			"TestSyncWaitsForUploads", "TestSyncSaysWhatIsNotInTheBucket", "TestUmountDrains", "TestUmountThatIsInterruptedLeavesTheMount",
			"TestUnmounting", "TestDrainGoesOnAfterUmount8", "TestSignalDrains"}},
	}
}

func notAmongFaults() []omission {
	return []omission{
		{"makes thousands of requests", []string{"TestStressors", "TestDeepAndWideTrees", "TestGoBuildsThisProgram", "TestNpmInstalls", "TestFioReadsBackWhatItWrote", "TestBonnieCompletes"}},
		{"brings its own faults", []string{"TestErrorTable", "TestExerciser", "TestFailedUploads", "TestFaultsThatPassAreNotSeen", "TestDeadNetworkIsEIO",
			"TestBadNetwork", "TestStalledReadIsAskedForAgain", "TestProgramsAtOnce",
			"TestKilledReaderLeavesTheSharedFetch", "TestSecondSignalDoesNotWait", "TestNoSecretIsLogged"}},
		{"the other program does not bear them", []string{"TestS3FSReadsWhatWasWritten", "TestReadsWhatS3FSWrote",
			"TestRcloneReadsTimes", "TestReadsTimesThatRcloneWrote", "TestACLCommandsAgreeWithS3cmd"}},
		{"thousands of requests in a row, each tenth of them late", []string{"TestPosix/emulator/OpenSymlinkRace"}},
	}
}

func notInWriteBack() []omission {
	return []omission{
		{"close, or what else comes first, is to fail with the upload", []string{"TestErrorTable", "TestFailedUploads", "TestAfterACrash",
			"TestBadNetwork", "TestDeadNetworkIsEIO", "TestCopyOfAnEmptyFileTellsTheTruth", "TestCloseOfATruncatingReaderTellsTheTruth",
			"TestFileThatNeverArrivesIsTakenUpByTheNextMount", "TestEditOfAnObjectThatAnotherClientChangedIsStale",
			"TestPendingChanges", "TestDiscardShowsWhatTheBucketHas", "TestPendingWithoutAMount",
			"TestPendingOfADirectoryInUseAsksItsMount", "TestRootSteersTheMountsOfUsers"}},
	}
}

// selectTests leaves out what the mode leaves out, beside what -skip does.
func selectTests() error {
	flag.Parse()
	skip := flag.Lookup("test.skip").Value
	var patterns []string
	if skip.String() != "" {
		patterns = append(patterns, skip.String())
	}
	for _, o := range theMode().leftOut() {
		for _, test := range o.tests {
			patterns = append(patterns, "^"+strings.ReplaceAll(test, "/", "$/^")+"$")
		}
	}
	return skip.Set(strings.Join(patterns, "|"))
}

func TestLeftOutTestsExist(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	ok(t, err)
	var source strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		ok(t, err)
		source.Write(text)
	}
	for _, o := range slices.Concat(alwaysTheSame(), notAmongFaults(), notInWriteBack()) {
		for _, test := range o.tests {
			name, _, _ := strings.Cut(test, "/")
			if !strings.Contains(source.String(), "\nfunc "+name+"(t *testing.T) {") {
				t.Errorf("%s is left out, and there is no such test", test)
			}
		}
	}
}
