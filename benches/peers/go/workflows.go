// The workflows of benches/src/workflows.rs, written for the Go SDK; those with local activities and patches are not there,
// because its markers have another format.
package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// ended counts the workflows that have run to their end.
var ended atomic.Int64

// register registers the workflows under the names that the histories use.
func register(r worker.WorkflowRegistry) {
	for name, f := range map[string]any{
		"SeqActivities": seqActivities, "SeqTimers": seqTimers, "FanOut": fanOut, "SignalCount": signalCount,
		"Small": small, "UpdateCount": updateCount, "Children": children,
	} {
		r.RegisterWorkflowWithOptions(f, workflow.RegisterOptions{Name: name})
	}
}

func end[T any](result T) (T, error) {
	ended.Add(1)
	return result, nil
}

func echo(ctx workflow.Context, text string) workflow.Future {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	return workflow.ExecuteActivity(ctx, "echo", text)
}

func input(number uint32) string {
	return fmt.Sprintf("input-%06d", number)
}

func seqActivities(ctx workflow.Context, n uint32) (uint32, error) {
	for i := uint32(1); i <= n; i++ {
		var result string
		if err := echo(ctx, input(i)).Get(ctx, &result); err != nil {
			return 0, err
		}
	}
	return end(n)
}

func seqTimers(ctx workflow.Context, n uint32) (uint32, error) {
	for range n {
		if err := workflow.Sleep(ctx, time.Second); err != nil {
			return 0, err
		}
	}
	return end(n)
}

func fanOut(ctx workflow.Context, n uint32) (uint32, error) {
	var calls []workflow.Future
	for i := uint32(1); i <= n; i++ {
		calls = append(calls, echo(ctx, input(i)))
	}
	var done uint32
	for _, call := range calls {
		var result string
		if err := call.Get(ctx, &result); err != nil {
			return 0, err
		}
		done++
	}
	return end(done)
}

func signalCount(ctx workflow.Context, n uint32) (uint32, error) {
	signals := workflow.GetSignalChannel(ctx, "add")
	for range n {
		var value uint32
		signals.Receive(ctx, &value)
	}
	return end(n)
}

func small(ctx workflow.Context, name string) (string, error) {
	var result string
	if err := echo(ctx, name).Get(ctx, &result); err != nil {
		return "", err
	}
	return end(result)
}

func updateCount(ctx workflow.Context, n uint32) (uint32, error) {
	var received uint32
	add := func(_ workflow.Context, _ uint32) (uint32, error) {
		received++
		return received, nil
	}
	if err := workflow.SetUpdateHandler(ctx, "add", add); err != nil {
		return 0, err
	}
	if err := workflow.Await(ctx, func() bool { return received >= n }); err != nil {
		return 0, err
	}
	return end(n)
}

func children(ctx workflow.Context, n uint32) (uint32, error) {
	for i := uint32(1); i <= n; i++ {
		child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: fmt.Sprintf("child-%06d", i)})
		var result string
		if err := workflow.ExecuteChildWorkflow(child, "Small", "Temporal").Get(child, &result); err != nil {
			return 0, err
		}
	}
	return end(n)
}
