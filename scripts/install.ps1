# Installs Hearth for this user on Windows: downloads the executable of the
# newest release, compares its SHA-256 with the release's list, and puts it
# into %LOCALAPPDATA%\Programs\Hearth, which is added to the user's PATH.
#
#   HEARTH_BIN      another directory to put it into
#   HEARTH_VERSION  another release than the newest, such as 0.1.0
#   HEARTH_RELEASES where releases are, for mirrors
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue' # else downloads take ten times as long

function Stop-Install([string]$What, [string]$Advice) {
  [Console]::Error.WriteLine("error: $What")
  [Console]::Error.WriteLine("hint: $Advice")
  exit 1
}

$releases = if ($env:HEARTH_RELEASES) { $env:HEARTH_RELEASES }
            else { 'https://github.com/@repository@/releases' }
$base = if ($env:HEARTH_VERSION) { "$releases/download/v$env:HEARTH_VERSION" }
        else { "$releases/latest/download" }
$bin = if ($env:HEARTH_BIN) { $env:HEARTH_BIN }
       else { Join-Path $env:LOCALAPPDATA 'Programs\Hearth' }
$target = 'x86_64-pc-windows-msvc'

New-Item -ItemType Directory -Force -Path $bin | Out-Null
$part = Join-Path $bin 'hearth.exe.part'
try {
  # GitHub serves the list as bytes, which Windows PowerShell does not decode.
  $sums = (New-Object Net.WebClient).DownloadString("$base/SHA256SUMS")
  $line = $sums -split "`n" |
    Where-Object { $_ -match "^([0-9a-f]{64})  (hearth-[\w.-]+-$target\.exe)$" } |
    Select-Object -First 1
  if (-not $line) {
    Stop-Install "Cannot find an executable for $target in $base/SHA256SUMS" `
      'build from sources: deno task compile'
  }
  $sum, $name = $line.Trim() -split '\s+', 2
  Write-Host "downloading $name"
  Invoke-WebRequest -UseBasicParsing -Uri "$base/$name" -OutFile $part
  $found = (Get-FileHash -Algorithm SHA256 -Path $part).Hash.ToLower()
  if ($found -ne $sum) {
    Stop-Install "Cannot trust ${name}: its SHA-256 is $found, expected $sum" `
      'try again'
  }
  Move-Item -Force -Path $part -Destination (Join-Path $bin 'hearth.exe')
} catch {
  Stop-Install "Cannot install: $($_.Exception.Message)" `
    'check the network; HEARTH_RELEASES names a mirror'
} finally {
  Remove-Item -Force -ErrorAction SilentlyContinue -Path $part
}

$path = [Environment]::GetEnvironmentVariable('Path', 'User')
if (($path -split ';') -notcontains $bin) {
  [Environment]::SetEnvironmentVariable('Path', "$bin;$path", 'User')
  Write-Host "added $bin to your PATH; it holds in new terminals"
}
Write-Host "installed $(& (Join-Path $bin 'hearth.exe') --version)"
Write-Host 'Try it: hearth demo'
