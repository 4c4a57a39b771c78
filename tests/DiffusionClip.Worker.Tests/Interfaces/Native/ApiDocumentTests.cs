using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Routing;

namespace DiffusionClip.Worker.Tests.Interfaces.Native;

/// <summary>The OpenAPI document says what there is, and its examples work.</summary>
public sealed class ApiDocumentTests(ApiDocumentTests.Worker worker) : IClassFixture<ApiDocumentTests.Worker>
{
    public sealed class Worker : IAsyncLifetime
    {
        public WorkerHost Host { get; private set; } = null!;

        public JsonObject Document { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Host = await WorkerHost.StartAsync();
            Document = (await Host.Client.GetFromJsonAsync<JsonObject>("/openapi/v1.json"))!;
        }

        public ValueTask DisposeAsync() => Host.DisposeAsync();
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public void Every_route_is_there_and_no_other()
    {
        // Beside the page, its files, the metrics and the document itself.
        string[] described = ["/api/", "/health/", "/sdapi/", "/v1/", "/internal/"];
        var routes = worker
            .Host.Application.Services.GetRequiredService<EndpointDataSource>()
            .Endpoints.OfType<RouteEndpoint>()
            .Where(route =>
                described.Any(prefix =>
                    route.RoutePattern.RawText!.StartsWith(prefix, StringComparison.Ordinal)
                    || route.RoutePattern.RawText.StartsWith(prefix[1..], StringComparison.Ordinal)))
            .SelectMany(route =>
                route
                    .Metadata.GetMetadata<HttpMethodMetadata>()!
                    .HttpMethods.Select(method =>
                        $"{method} /{route.RoutePattern.RawText!.TrimStart('/').Replace("**", "", StringComparison.Ordinal)}"))
            .Order(StringComparer.Ordinal);
        var documented = Operations()
            .Select(operation => $"{operation.Method.ToUpperInvariant()} {operation.Path}")
            .Order(StringComparer.Ordinal);
        Assert.Equal(routes, documented);
    }

    [Fact]
    public void Every_operation_says_what_it_gives()
    {
        foreach (
            var (path, method, operation) in Operations()
                .Where(operation => operation.Path.StartsWith("/api/v1", StringComparison.Ordinal)))
        {
            string name = $"{method} {path}";
            Assert.True(operation["operationId"] is not null, name);
            Assert.True(operation["summary"] is not null, name);
            var success = operation["responses"]!.AsObject().Where(response => response.Key[0] == '2' && response.Key != "204").ToList();
            Assert.True(success.Count > 0, name);
            Assert.All(
                success,
                response => Assert.True(response.Value!["content"]!.AsObject().All(content => content.Value!["schema"] is not null), name));
            if (operation["requestBody"] is { } body && body["content"]!["application/json"] is { } json)
            {
                Assert.True(json["examples"]!.AsObject().Count > 0, name);
            }
        }
    }

    [Fact]
    public void Fields_are_named_as_they_are_sent()
    {
        string schemas = worker.Document["components"]!["schemas"]!.ToJsonString();
        foreach (string name in new[] { "num_inference_steps", "score_text", "long_text", "accepted_at", "set_aside", "schema_version" })
        {
            Assert.Contains($"\"{name}\"", schemas, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_examples_work()
    {
        int tried = 0;
        string? id = null;
        string? sha256 = null;
        // Bodies first: they make what the others ask for.
        foreach (
            var (path, method, operation) in Operations()
                .Where(operation =>
                    operation.Path.StartsWith("/api/v1", StringComparison.Ordinal)
                    && operation.Operation["requestBody"]?["content"]?["application/json"]?["examples"] is not null))
        {
            foreach (var (_, example) in operation["requestBody"]!["content"]!["application/json"]!["examples"]!.AsObject())
            {
                using var content = new StringContent(example!["value"]!.ToJsonString(), Encoding.UTF8, "application/json");
                using HttpResponseMessage response = await worker.Host.Client.PostAsync(path, content, Stop);
                JsonObject job = (await response.Content.ReadFromJsonAsync<JsonObject>(Stop))!;
                Assert.True(response.IsSuccessStatusCode, $"{method} {path}: {job}");
                id = job["id"]!.GetValue<string>();
                while (job["state"]!.GetValue<string>() is "queued" or "running")
                {
                    await Task.Delay(30, Stop);
                    job = (await worker.Host.Client.GetFromJsonAsync<JsonObject>($"/api/v1/jobs/{id}", Stop))!;
                }

                Assert.Equal("done", job["state"]!.GetValue<string>());
                sha256 = job["result"]!["images"]?.AsArray() is [{ } image, ..] ? image["sha256"]!.GetValue<string>() : sha256;
                tried++;
            }
        }

        foreach (
            var (path, method, operation) in Operations()
                .Where(operation =>
                    operation.Method is "get" or "delete"
                    && (
                        operation.Path.StartsWith("/api/v1", StringComparison.Ordinal)
                        || operation.Path.StartsWith("/health", StringComparison.Ordinal))))
        {
            string address = Regex.Replace(path, @"\{(\w+)\}", match => match.Groups[1].Value == "id" ? id! : sha256!);
            string[] query =
            [
                .. (operation["parameters"]?.AsArray() ?? [])
                    .Where(parameter => parameter!["in"]!.GetValue<string>() == "query" && parameter["example"] is not null)
                    .Select(parameter => $"{parameter!["name"]}={parameter["example"]}"),
            ];
            using HttpResponseMessage response = await worker.Host.Client.SendAsync(
                new HttpRequestMessage(new HttpMethod(method), address + (query.Length > 0 ? "?" + string.Join('&', query) : "")),
                Stop);
            string status = ((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture);
            Assert.True(
                operation["responses"]!.AsObject().ContainsKey(status),
                $"{method} {address} answers {status}, which is not documented");
            Assert.NotEqual(HttpStatusCode.NotFound, response.StatusCode);
            Assert.NotEqual(HttpStatusCode.InternalServerError, response.StatusCode);
            tried++;
        }

        Assert.InRange(tried, 12, 1000);
    }

    [Fact]
    public async Task The_examples_of_the_other_interfaces_work()
    {
        int tried = 0;
        foreach (var (path, method, body) in OtherBodies().Where(entry => entry.Body["examples"] is not null))
        {
            using var content = new StringContent(
                body["examples"]!["example"]!["value"]!.ToJsonString(),
                Encoding.UTF8,
                "application/json");
            using HttpResponseMessage response = await worker.Host.Client.PostAsync(path, content, Stop);
            Assert.True(response.IsSuccessStatusCode, $"{method} {path}: {await response.Content.ReadAsStringAsync(Stop)}");
            tried++;
        }

        Assert.Equal(8, tried);
    }

    /// <summary>A field that the document names is read: what is not of its type or beyond its bounds is refused by its name.</summary>
    [Fact]
    public async Task The_fields_of_the_other_interfaces_are_the_ones_that_are_read()
    {
        int tried = 0;
        foreach (var (path, _, body) in OtherBodies().Where(entry => entry.Body["examples"] is not null))
        {
            foreach (var (name, schema) in body["schema"]!["properties"]!.AsObject())
            {
                var wrong = new List<JsonNode> { (string)schema!["type"]! == "object" ? 17 : new JsonObject { ["x"] = 1 } };
                if (schema["minimum"] is { } least)
                {
                    wrong.Add((double)least - 2);
                }

                if (schema["maximum"] is { } most)
                {
                    wrong.Add((double)most + 1);
                }

                foreach (JsonNode value in wrong)
                {
                    JsonObject given = body["examples"]!["example"]!["value"]!.DeepClone().AsObject();
                    given[name] = value;
                    if (name == "mask_img" || name == "invert_mask" || name == "inpainting_fill")
                    {
                        (given["is_inpaint"], given["mask_img"]) = (true, name == "mask_img" ? value.DeepClone() : "x");
                    }

                    using HttpResponseMessage response = await worker.Host.Client.PostAsJsonAsync(path, given, Stop);
                    string text = await response.Content.ReadAsStringAsync(Stop);
                    Assert.True(
                        (int)response.StatusCode is 400 or 404 or 422,
                        $"{path} takes {name}: {value.ToJsonString()} and answers {(int)response.StatusCode}");
                    Assert.True(
                        text.Contains(name, StringComparison.Ordinal) || text.Contains("not found", StringComparison.Ordinal),
                        $"{path} {name}: {text}");
                    tried++;
                }
            }
        }

        Assert.InRange(tried, 120, 1000);
    }

    private IEnumerable<(string Path, string Method, JsonObject Body)> OtherBodies() =>
        Operations()
            .Where(operation =>
                operation.Path.StartsWith("/sdapi/", StringComparison.Ordinal)
                || operation.Path.StartsWith("/v1/", StringComparison.Ordinal))
            .SelectMany(operation =>
                (operation.Operation["requestBody"]?["content"]?.AsObject() ?? []).Select(entry =>
                    (operation.Path, operation.Method, entry.Value!.AsObject())));

    private IEnumerable<(string Path, string Method, JsonObject Operation)> Operations() =>
        worker.Document["paths"]!
            .AsObject()
            .SelectMany(path =>
                path.Value!.AsObject()
                    .Where(entry => entry.Key is "get" or "post" or "put" or "delete" or "patch")
                    .Select(entry => (path.Key, entry.Key, entry.Value!.AsObject())));
}
