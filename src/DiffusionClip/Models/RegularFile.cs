using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DiffusionClip.Models;

/// <summary>
/// What the file system says of a file beyond what .NET tells: whether it is a regular one (opening a pipe waits without end), and how
/// many names it has. Tried under Linux; macOS and Windows are written after their headers.
/// </summary>
internal static partial class RegularFile
{
    private const int TypeMask = 0xF000, Regular = 0x8000;

    /// <summary>Whether a path, links followed, is a regular file.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="DirectoryNotFoundException">There is none.</exception>
    public static bool Is(string path)
    {
        FileAttributes attributes = File.GetAttributes(path);
        return Status(path) is { } status
            ? (status.Mode & TypeMask) == Regular
            : (attributes & (FileAttributes.Directory | FileAttributes.Device)) == 0;
    }

    /// <summary>Names that a file has; null where the system does not say.</summary>
    public static int? LinkCount(string path) => Status(path)?.Links;

    private static unsafe (int Mode, int Links)? Status(string path)
    {
        try
        {
            Span<byte> buffer = stackalloc byte[512];
            buffer.Clear();
            fixed (byte* status = buffer)
            {
                if (OperatingSystem.IsLinux())
                {
                    // struct statx is the same on every architecture: stx_nlink at 16, stx_mode at 28.
                    const int workingFolder = -100;
                    const uint typeAndLinks = 0x1 | 0x4;
                    return StatX(workingFolder, path, 0, typeAndLinks, status) == 0
                        ? (
                            BinaryPrimitives.ReadUInt16LittleEndian(buffer[28..]),
                            (int)BinaryPrimitives.ReadUInt32LittleEndian(buffer[16..]))
                        : null;
                }

                if (OperatingSystem.IsMacOS())
                {
                    // struct stat with 64-bit inodes: st_mode at 4, st_nlink at 6.
                    int failed =
                        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? Stat(path, status) : StatInode64(path, status);
                    return failed == 0
                        ? (BinaryPrimitives.ReadUInt16LittleEndian(buffer[4..]), BinaryPrimitives.ReadUInt16LittleEndian(buffer[6..]))
                        : null;
                }

                if (OperatingSystem.IsWindows())
                {
                    // BY_HANDLE_FILE_INFORMATION: nNumberOfLinks at 40.
                    using SafeFileHandle handle = File.OpenHandle(path);
                    return GetFileInformationByHandle(handle, status) != 0
                        ? (Regular, (int)BinaryPrimitives.ReadUInt32LittleEndian(buffer[40..]))
                        : null;
                }
            }
        }
        catch (Exception exception)
            when (exception is DllNotFoundException or EntryPointNotFoundException or IOException or UnauthorizedAccessException)
        {
            // A system without the call says nothing.
        }

        return null;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int StatX(int folder, string path, int flags, uint mask, byte* status);

    [LibraryImport("libSystem.dylib", EntryPoint = "stat", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Stat(string path, byte* status);

    [LibraryImport("libSystem.dylib", EntryPoint = "stat$INODE64", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int StatInode64(string path, byte* status);

    [LibraryImport("kernel32.dll", EntryPoint = "GetFileInformationByHandle")]
    private static unsafe partial int GetFileInformationByHandle(SafeFileHandle file, byte* information);
}
