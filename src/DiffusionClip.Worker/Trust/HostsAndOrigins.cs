using System.Net;
using System.Net.Sockets;
using DiffusionClip.Worker.Interfaces;
using Microsoft.Net.Http.Headers;

namespace DiffusionClip.Worker.Trust;

/// <summary>
/// Refuses requests that name another host (a site whose name was pointed at this machine) and those that another site's page sent.
/// </summary>
internal sealed class HostsAndOrigins(RequestDelegate next, WorkerOptions options, ListenAddress address)
{
    private readonly HashSet<string> _hosts = new([.. options.Trust.Hosts, "localhost"], StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _origins = new(
        options.Trust.Origins.Select(origin => origin.TrimEnd('/')),
        StringComparer.OrdinalIgnoreCase);

    public Task InvokeAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        if (!IsOwnHost(context))
        {
            return Faults.WriteAsync(
                context,
                new Fault(
                    StatusCodes.Status400BadRequest,
                    "The Host header names another host; requests go to the address the worker listens at, or to one of Worker:Trust:Hosts."
                )
                {
                    Field = HeaderNames.Host,
                });
        }

        foreach (string? origin in request.Headers.Origin)
        {
            if (!IsOwnOrigin(origin, request.Host) && !_origins.Contains(origin ?? ""))
            {
                return Faults.WriteAsync(
                    context,
                    new Fault(
                        StatusCodes.Status403Forbidden,
                        "Another site's page sent this request; list its origin in Worker:Trust:Origins to allow it.")
                    {
                        Field = HeaderNames.Origin,
                    });
            }
        }

        return next(context);
    }

    // An address cannot be re-pointed as a name can: any of this machine's own is as good as its name.
    private bool IsOwnHost(HttpContext context)
    {
        string host = context.Request.Host.Host;
        if (_hosts.Contains(host))
        {
            return true;
        }

        if (!IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? named))
        {
            return !address.IsLoopback && string.Equals(host, Environment.MachineName, StringComparison.OrdinalIgnoreCase);
        }

        // 2130706433 is an address too, but no honest client writes it.
        return (named.AddressFamily == AddressFamily.InterNetworkV6 || named.ToString() == host)
            && (IPAddress.IsLoopback(named) || Equals(named, Unmapped(context.Connection.LocalIpAddress)));
    }

    private static IPAddress? Unmapped(IPAddress? ip) => ip is { IsIPv4MappedToIPv6: true } ? ip.MapToIPv4() : ip;

    // Authorities are compared, not schemes: behind a proxy that does TLS the page's is https and ours is http.
    private static bool IsOwnOrigin(string? origin, HostString host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri)
        && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps)
        && string.Equals(uri.IdnHost, host.Host.Trim('[', ']'), StringComparison.OrdinalIgnoreCase)
        && (host.Port is { } port ? uri.Port == port : uri.IsDefaultPort);
}
