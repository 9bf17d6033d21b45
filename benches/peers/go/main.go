// Command peer-go FILE.binpb [--reps N] [--warm N]: what one replay of a recorded history costs the Go SDK.
//
// Prints one JSON line; fails if a replay does not run the workflow to its end. The history is decoded once, before the
// measurement: the SDK's replayer takes decoded events only.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/proto"
)

// One repetition covers at least so many events, as in our own `replay`.
const eventsPerRepetition = 30_000

func main() {
	if err := measure(); err != nil {
		fmt.Fprintln(os.Stderr, "peer-go:", err)
		os.Exit(1)
	}
}

func measure() error {
	options := flag.NewFlagSet("peer-go FILE.binpb", flag.ExitOnError)
	reps := options.Int("reps", 5, "repetitions that count")
	warm := options.Int("warm", 1, "repetitions before them")
	if len(os.Args) < 2 {
		options.Usage()
		os.Exit(2)
	}
	file := os.Args[1]
	if err := options.Parse(os.Args[2:]); err != nil {
		return err
	}
	if options.NArg() > 0 || *reps < 1 {
		return fmt.Errorf("cannot use %q with %d repetitions; usage: peer-go FILE.binpb [--reps N] [--warm N]", options.Args(), *reps)
	}
	h, err := load(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{})
	if err != nil {
		return err
	}
	register(replayer)

	passes := (eventsPerRepetition + len(h.Events) - 1) / len(h.Events)
	var figures []float64
	for repetition := range *warm + *reps {
		cpu, err := replay(replayer, h, passes)
		if err != nil {
			return err
		}
		if repetition >= *warm {
			figures = append(figures, cpu*1e6/float64(passes*len(h.Events)))
		}
	}
	slices.Sort(figures)
	fmt.Printf("{\"sdk\":\"go\",\"file\":%q,\"events\":%d,\"cpu_us_per_event\":%.3f}\n",
		filepath.Base(file), len(h.Events), figures[len(figures)/2])
	return nil
}

func load(file string) (*history.History, error) {
	encoded, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	h := &history.History{}
	if err := proto.Unmarshal(encoded, h); err != nil {
		return nil, err
	}
	if len(h.Events) == 0 {
		return nil, fmt.Errorf("a history without events")
	}
	giveGoIDs(h)
	return h, nil
}

// giveGoIDs renames activities and timers as the Go SDK names them, by the event that schedules them: it refuses other ids.
func giveGoIDs(h *history.History) {
	for _, event := range h.Events {
		switch a := event.Attributes.(type) {
		case *history.HistoryEvent_ActivityTaskScheduledEventAttributes:
			a.ActivityTaskScheduledEventAttributes.ActivityId = strconv.FormatInt(event.EventId, 10)
		case *history.HistoryEvent_TimerStartedEventAttributes:
			a.TimerStartedEventAttributes.TimerId = strconv.FormatInt(event.EventId, 10)
		case *history.HistoryEvent_TimerFiredEventAttributes:
			a.TimerFiredEventAttributes.TimerId = strconv.FormatInt(a.TimerFiredEventAttributes.StartedEventId, 10)
		}
	}
}

// replay replays the history so many times, one after the other, and returns the CPU seconds of all threads: the garbage
// collector's are among them.
func replay(replayer worker.WorkflowReplayer, h *history.History, passes int) (float64, error) {
	// The SDK's own logger prints debug lines.
	silent := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	endedBefore := ended.Load()
	before, err := cpuSeconds()
	if err != nil {
		return 0, err
	}
	for range passes {
		if err := replayer.ReplayWorkflowHistory(silent, h); err != nil {
			return 0, err
		}
	}
	after, err := cpuSeconds()
	if err != nil {
		return 0, err
	}
	if n := ended.Load() - endedBefore; n != int64(passes) {
		return 0, fmt.Errorf("%d of %d replays came to the workflow's end", n, passes)
	}
	return after - before, nil
}

func cpuSeconds() (float64, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9, nil
}
