using System.Collections.Frozen;
using System.Reflection;
using System.Security.Cryptography;

namespace DiffusionClip.Worker.Interfaces;

/// <summary>
/// The web page: a handful of files that the assembly carries, so that it is there wherever the worker is.
/// It uses <c>/api/v1</c> only.
/// </summary>
internal static class Page
{
    /// <summary>
    /// What the page may do: load its own scripts, styles and pictures and talk to its own origin. Previews are <c>data:</c> URIs,
    /// pictures about to be uploaded are <c>blob:</c> ones.
    /// </summary>
    public const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private const string Prefix = "wwwroot/";

    private static readonly FrozenDictionary<string, string> _mediaTypes = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        [".html"] = "text/html; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".svg"] = "image/svg+xml",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Maps <c>/</c> and the files that it names, each as a route of its own: nothing else of the disk can be reached.</summary>
    public static void MapPage(this IEndpointRouteBuilder routes)
    {
        Assembly assembly = typeof(Page).Assembly;
        foreach (string resource in assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            string path = resource[Prefix.Length..].Replace('\\', '/');
            var file = new PageFile(Read(assembly, resource), _mediaTypes[Path.GetExtension(path)]);
            routes
                .MapMethods(path == "index.html" ? "/" : "/" + path, [HttpMethods.Get, HttpMethods.Head], file.SendAsync)
                .ExcludeFromDescription();
        }
    }

    private static byte[] Read(Assembly assembly, string resource)
    {
        using Stream stream = assembly.GetManifestResourceStream(resource)!;
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }

    private sealed class PageFile(byte[] content, string mediaType)
    {
        private readonly string _entityTag = $"\"{Convert.ToHexStringLower(SHA256.HashData(content))[..32]}\"";

        public async Task SendAsync(HttpContext context)
        {
            IHeaderDictionary headers = context.Response.Headers;
            headers.ContentSecurityPolicy = ContentSecurityPolicy;
            headers.XContentTypeOptions = "nosniff";
            headers["Referrer-Policy"] = "no-referrer";
            headers["Cross-Origin-Opener-Policy"] = "same-origin";
            headers["Cross-Origin-Resource-Policy"] = "same-origin";
            headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()";
            // Asked for anew each time, sent anew only after an update.
            headers.CacheControl = "no-cache";
            headers.ETag = _entityTag;
            if (context.Request.Headers.IfNoneMatch.Any(tags => tags?.Contains(_entityTag, StringComparison.Ordinal) == true))
            {
                context.Response.StatusCode = StatusCodes.Status304NotModified;
                return;
            }

            context.Response.ContentType = mediaType;
            context.Response.ContentLength = content.Length;
            if (!HttpMethods.IsHead(context.Request.Method))
            {
                await context.Response.Body.WriteAsync(content, context.RequestAborted);
            }
        }
    }
}
