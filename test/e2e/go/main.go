// A client in Go, generated from the proto alone: makes calls over one of the three protocols and prints what it saw as
// JSON. The test judges it; this program only fails where a call does that should not.
//
// Usage: client connect|grpc|grpcweb BASE_URL ENTRY_NODE_ADDRESS SILENT_NODE_ADDRESS
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	clientv1 "p2prc.invalid/client/gen/p2prc/client/v1"
	"p2prc.invalid/client/gen/p2prc/client/v1/clientv1connect"
)

type refusal struct {
	Code   string `json:"code"`
	Reason string `json:"reason"`
	Domain string `json:"domain"`
	Field  string `json:"field,omitempty"`
}

type crawl struct {
	Sequences     []int64 `json:"sequences"`
	HopsCompleted int     `json:"hopsCompleted"`
	Active        int32   `json:"active"`
	EndReason     string  `json:"endReason"`
}

type cancelled struct {
	Code string `json:"code"`
	// Nodes that the gateway wrote into its table when its only reader had left.
	Active int `json:"active"`
}

type seen struct {
	HTTPVersion string    `json:"httpVersion"`
	Crawl       crawl     `json:"crawl"`
	Active      []string  `json:"active"`
	Entry       []string  `json:"entry"`
	BadFilter   refusal   `json:"badFilter"`
	TooManyHops refusal   `json:"tooManyHops"`
	Cancelled   cancelled `json:"cancelled"`
}

// versionSeen notes which HTTP the answers came over.
type versionSeen struct {
	next    http.RoundTripper
	version string
}

func (v *versionSeen) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := v.next.RoundTrip(request)
	if err == nil {
		v.version = response.Proto
	}
	return response, err
}

func main() {
	ctx, stop := context.WithTimeout(context.Background(), 50*time.Second)
	defer stop()
	result, err := run(ctx, os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, protocol, baseURL, entry, silent string) (*seen, error) {
	client, version, err := open(protocol, baseURL)
	if err != nil {
		return nil, err
	}
	add := &clientv1.AddNodeRequest{Address: entry, ReplaceAll: true}
	added, err := client.AddNode(ctx, connect.NewRequest(add))
	if err != nil {
		return nil, fmt.Errorf("AddNode: %w", err)
	}
	result := &seen{}
	if result.Crawl, err = watch(ctx, client); err != nil {
		return nil, fmt.Errorf("UpdateIpTable: %w", err)
	}
	if result.Active, err = list(ctx, client, "state = ACTIVE AND measurement.latency < 1s"); err != nil {
		return nil, err
	}
	if result.Entry, err = list(ctx, client, fmt.Sprintf("name = %q", added.Msg.Node.Name)); err != nil {
		return nil, err
	}
	_, err = list(ctx, client, "nonsense = 1")
	result.BadFilter = refusalOf(err)
	stream, err := client.UpdateIpTable(ctx, connect.NewRequest(&clientv1.UpdateIpTableRequest{MaxHops: proto.Int32(11)}))
	if err == nil {
		stream.Receive()
		err = stream.Err()
		_ = stream.Close()
	}
	result.TooManyHops = refusalOf(err)
	// A table in which no node is active.
	add = &clientv1.AddNodeRequest{Address: silent, ReplaceAll: true}
	if _, err = client.AddNode(ctx, connect.NewRequest(add)); err != nil {
		return nil, fmt.Errorf("AddNode: %w", err)
	}
	if result.Cancelled, err = leave(ctx, client, entry); err != nil {
		return nil, fmt.Errorf("UpdateIpTable, left: %w", err)
	}
	result.HTTPVersion = version.version
	return result, nil
}

func open(protocol, baseURL string) (clientv1connect.ClientServiceClient, *versionSeen, error) {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(protocol != "grpc")
	// gRPC wants HTTP/2, here without TLS.
	transport.Protocols.SetUnencryptedHTTP2(protocol == "grpc")
	options := map[string][]connect.ClientOption{
		"connect": {},
		"grpc":    {connect.WithGRPC()},
		"grpcweb": {connect.WithGRPCWeb()},
	}
	chosen, known := options[protocol]
	if !known {
		return nil, nil, fmt.Errorf("no such protocol: %s", protocol)
	}
	version := &versionSeen{next: transport}
	return clientv1connect.NewClientServiceClient(&http.Client{Transport: version}, baseURL, chosen...), version, nil
}

func watch(ctx context.Context, client clientv1connect.ClientServiceClient) (crawl, error) {
	var met crawl
	stream, err := client.UpdateIpTable(ctx, connect.NewRequest(&clientv1.UpdateIpTableRequest{
		MaxHops:     proto.Int32(3),
		NodeTimeout: durationpb.New(500 * time.Millisecond),
	}))
	if err != nil {
		return met, err
	}
	defer stream.Close()
	for stream.Receive() {
		event := stream.Msg()
		met.Sequences = append(met.Sequences, event.Sequence)
		switch body := event.Event.(type) {
		case *clientv1.UpdateIpTableResponse_HopCompleted:
			met.HopsCompleted++
		case *clientv1.UpdateIpTableResponse_Completed:
			met.Active = body.Completed.ActiveCount
			met.EndReason = body.Completed.EndReason.String()
		}
	}
	return met, stream.Err()
}

// list reads every page of a filtered list.
func list(ctx context.Context, client clientv1connect.ClientServiceClient, filter string) ([]string, error) {
	names := []string{}
	request := &clientv1.ListNodesRequest{PageSize: 2, Filter: filter}
	for {
		page, err := client.ListNodes(ctx, connect.NewRequest(request))
		if err != nil {
			return nil, fmt.Errorf("ListNodes %s: %w", filter, err)
		}
		for _, node := range page.Msg.Nodes {
			names = append(names, node.Name)
		}
		if request.PageToken = page.Msg.NextPageToken; request.PageToken == "" {
			return names, nil
		}
	}
}

// leave ends a crawl's stream in its middle: a silent node in the table keeps the crawl
// alive for longer than this program runs.
func leave(ctx context.Context, client clientv1connect.ClientServiceClient, entry string) (cancelled, error) {
	var met cancelled
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.UpdateIpTable(streamCtx, connect.NewRequest(&clientv1.UpdateIpTableRequest{
		SeedAddresses: []string{entry},
		NodeTimeout:   durationpb.New(60 * time.Second),
	}))
	if err != nil {
		return met, err
	}
	for stream.Receive() {
		if _, isProbed := stream.Msg().Event.(*clientv1.UpdateIpTableResponse_NodeProbed); isProbed {
			cancel()
		}
	}
	met.Code = connect.CodeOf(stream.Err()).String()
	_ = stream.Close()
	for met.Active == 0 {
		active, err := list(ctx, client, "state = ACTIVE")
		if err != nil {
			return met, err
		}
		met.Active = len(active)
		time.Sleep(10 * time.Millisecond)
	}
	return met, nil
}

func refusalOf(err error) refusal {
	var refused *connect.Error
	if !errors.As(err, &refused) {
		return refusal{Code: fmt.Sprint(err)}
	}
	met := refusal{Code: refused.Code().String()}
	for _, detail := range refused.Details() {
		value, err := detail.Value()
		if err != nil {
			met.Reason = err.Error()
			continue
		}
		switch value := value.(type) {
		case *errdetails.ErrorInfo:
			met.Reason, met.Domain = value.Reason, value.Domain
		case *errdetails.BadRequest:
			met.Field = value.FieldViolations[0].Field
		}
	}
	return met
}
