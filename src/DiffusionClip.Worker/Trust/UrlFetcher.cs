using System.Net;
using System.Net.Sockets;
using DiffusionClip.Imaging;

namespace DiffusionClip.Worker.Trust;

/// <summary>
/// Fetches a picture's URL such that it cannot be turned against the network the worker stands in: https only, the address that was
/// looked at is the one connected to, public addresses only, no redirects, no proxy, no cookies, bounded in size and time.
/// </summary>
internal sealed class UrlFetcher : IDisposable
{
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(20);
    private readonly HttpClient _client;
    private readonly bool _httpsOnly;
    private readonly long _mostBytes;
    private readonly TimeProvider _time;

    /// <summary>Creates the fetcher.</summary>
    /// <param name="options">The largest body also bounds what is fetched.</param>
    /// <param name="limits">The largest picture file.</param>
    /// <param name="time">Measures how long it takes.</param>
    public UrlFetcher(WorkerOptions options, ImageLimits limits, TimeProvider time)
        : this(Math.Min(options.Trust.BodyBytes, limits.MaxFileBytes), PublicAddress.Is, httpsOnly: true, time)
    {
    }

    internal UrlFetcher(long mostBytes, Func<IPAddress, bool> isAllowed, bool httpsOnly, TimeProvider time)
    {
        _mostBytes = mostBytes;
        _httpsOnly = httpsOnly;
        _time = time;
        _client = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.Zero,
            ConnectCallback = async (context, cancellationToken) =>
            {
                IPAddress[] addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancellationToken).ConfigureAwait(false);
                // One bad address is enough to refuse: a name that mixes them is made to be tried again.
                if (addresses.Length == 0 || !addresses.All(isAllowed))
                {
                    throw new AddressRefusedException();
                }

                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await socket.ConnectAsync(addresses, context.DnsEndPoint.Port, cancellationToken).ConfigureAwait(false);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        })
        { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Fetches a file.</summary>
    /// <param name="field">The request's field, for errors.</param>
    /// <param name="uri">The URL.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidRequestException">It cannot be fetched, or must not be.</exception>
    public async Task<ReadOnlyMemory<byte>> FetchAsync(string field, Uri uri, CancellationToken cancellationToken)
    {
        string shown = uri.GetLeftPart(UriPartial.Path);
        if (uri.Scheme != Uri.UriSchemeHttps && (_httpsOnly || uri.Scheme != Uri.UriSchemeHttp))
        {
            throw new InvalidRequestException(field, shown, "only https URLs are fetched");
        }

        if (uri.UserInfo.Length > 0)
        {
            throw new InvalidRequestException(field, uri.Host, "URLs with credentials are not fetched");
        }

        using var over = new CancellationTokenSource(_timeout, _time);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, over.Token);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, uri);
            using HttpResponseMessage response = await _client
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token)
                .ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                throw new InvalidRequestException(field, shown, $"it answers {(int)response.StatusCode}; redirects are not followed");
            }

            if (response.Content.Headers.ContentLength > _mostBytes)
            {
                throw new InvalidRequestException(field, shown, $"more than {_mostBytes} bytes");
            }

            using var file = new MemoryStream();
            var buffer = new byte[81_920];
            await using Stream body = await response.Content.ReadAsStreamAsync(timeout.Token).ConfigureAwait(false);
            for (int read; (read = await body.ReadAsync(buffer, timeout.Token).ConfigureAwait(false)) > 0;)
            {
                if (file.Length + read > _mostBytes)
                {
                    throw new InvalidRequestException(field, shown, $"more than {_mostBytes} bytes");
                }

                file.Write(buffer, 0, read);
            }

            return file.GetBuffer().AsMemory(0, (int)file.Length);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new InvalidRequestException(field, shown, "it took too long");
        }
        catch (Exception exception) when (Refused(exception))
        {
            throw new InvalidRequestException(field, shown, "its address is not a public one");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or SocketException)
        {
            // What exactly answered at which port would make a port scanner of us.
            throw new InvalidRequestException(field, shown, "it cannot be fetched");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private static bool Refused(Exception? exception) =>
        exception is not null && (exception is AddressRefusedException || Refused(exception.InnerException));

    private sealed class AddressRefusedException : Exception;
}

/// <summary>Whether an address is one of the public internet.</summary>
internal static class PublicAddress
{
    private static readonly IPNetwork _global = IPNetwork.Parse("2000::/3");

    // IANA's special-purpose registries, and what carries an IPv4 address inside.
    private static readonly IPNetwork[] _special =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
            "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
        }.Select(network => IPNetwork.Parse(network)),
    ];

    /// <summary>Whether it is.</summary>
    public static bool Is(IPAddress address)
    {
        IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return (plain.AddressFamily == AddressFamily.InterNetwork || _global.Contains(plain))
            && !_special.Any(network => network.Contains(plain));
    }
}
